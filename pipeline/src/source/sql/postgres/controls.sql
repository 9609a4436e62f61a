-- What the database itself counts and adds up, by table and currency; the files must agree to the cent.
WITH chosen AS MATERIALIZED (
    SELECT id, booking_id, trip_id, price, currency
    FROM tickets
    WHERE issued_at >= {start} AND issued_at < {end}
), booked AS (
    SELECT DISTINCT booking_id FROM chosen WHERE booking_id IS NOT NULL
)
SELECT 'tickets' AS name, currency::text AS currency, count(*) AS rows, sum(price)::text AS amount
FROM chosen GROUP BY currency
UNION ALL
SELECT 'bookings', b.currency::text, count(*), sum(b.total_amount)::text
FROM booked JOIN bookings b ON b.id = booked.booking_id GROUP BY b.currency
UNION ALL
SELECT 'payments', p.currency::text, count(*), sum(p.amount)::text
FROM booked JOIN payments p ON p.booking_id = booked.booking_id GROUP BY p.currency
UNION ALL
SELECT 'refunds', r.currency::text, count(*), sum(r.refunded_amount)::text
FROM chosen JOIN ticket_refunds r ON r.ticket_id = chosen.id GROUP BY r.currency
UNION ALL
SELECT 'trips', NULL, count(DISTINCT trip_id), NULL FROM chosen
