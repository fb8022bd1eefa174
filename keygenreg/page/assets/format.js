/** Values as people read them. */

const UNITS = ["bytes", "KB", "MB", "GB", "TB"];
const dateForm = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" });
const momentForm = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A number of bytes, such as "1.4 MB"; a dash for none. */
export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  let value = bytes, unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${unit === 0 && bytes === 1 ? "byte" : UNITS[unit]}`;
}

/** The day of an ISO time. */
export function day(text) {
  return text ? dateForm.format(new Date(text)) : "–";
}

/** Day and minute of an ISO time. */
export function moment(text) {
  return text ? momentForm.format(new Date(text)) : "–";
}

/** A number of seconds, in the largest unit that has no remainder. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return "for ever";
  for (const [unit, length] of [["year", 31536000], ["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= length && seconds % length === 0) return plural(seconds / length, unit);
  }
  return plural(seconds, "second");
}

/** "1 file", "2 files". */
export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** An ISO time as the value of an input for a local date and time. */
export function toInput(text) {
  if (!text) return "";
  const date = new Date(text);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

/** The other way round; null for an empty one. */
export function fromInput(text) {
  return text ? new Date(text).toISOString() : null;
}
