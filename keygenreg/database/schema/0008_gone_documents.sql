-- Since when upstream answers that it has no such document (any more). From then on nothing of it is served; but what is
-- kept of it goes only when upstream says so again a while later, as such an answer may be a hiccup of upstream's.
ALTER TABLE mirrored_documents ADD COLUMN gone timestamptz;
