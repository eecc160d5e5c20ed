-- The bank: money moves, none is made.

CREATE TABLE accounts (
	id          integer PRIMARY KEY,
	holder      text   NOT NULL,
	opened_with bigint NOT NULL,
	balance     bigint NOT NULL CHECK (balance >= 0)
);
CREATE TABLE transfers (
	id     bigserial PRIMARY KEY,
	payer  integer NOT NULL REFERENCES accounts,
	payee  integer NOT NULL REFERENCES accounts,
	amount bigint  NOT NULL CHECK (amount > 0),
	made   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX transfers_payer ON transfers (payer);
CREATE INDEX transfers_payee ON transfers (payee);

INSERT INTO accounts
SELECT i, 'Account holder ' || md5(i::text), 100000 + i, 100000 + i
FROM generate_series(1, 10000) AS i;

CREATE FUNCTION move_money() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	a integer := 1 + floor(random() * 10000);
	b integer := 1 + floor(random() * 10000);
	much bigint := 1 + floor(random() * 100);
	number bigint;
BEGIN
	UPDATE accounts SET balance = balance - much WHERE id = a;
	UPDATE accounts SET balance = balance + much WHERE id = b;
	INSERT INTO transfers (payer, payee, amount) VALUES (a, b, much)
	RETURNING id INTO number;
	RETURN number;
END $$;
