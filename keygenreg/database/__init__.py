"""PostgreSQL: connections, transactions, notifications, migrations, and a server of our own when none is given."""
