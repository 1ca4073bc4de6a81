"""The database room: models, queries, transactions, migrations. Only this room imports SQLAlchemy's engine."""
