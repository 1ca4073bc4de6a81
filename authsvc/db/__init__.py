"""The database room: models, queries, transactions, migrations. Nothing else imports SQLAlchemy's engine side."""
