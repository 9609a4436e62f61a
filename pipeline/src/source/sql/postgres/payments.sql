-- All payments of the bookings that have a ticket in the period.
SELECT
    p.id AS payment_id,
    p.booking_id,
    p.amount,
    p.currency::text AS currency,
    p.method::text AS method,
    p.status,
    p.paid_at,
    p.created_at
FROM payments p
WHERE p.booking_id IN (SELECT booking_id FROM tickets WHERE issued_at >= {start} AND issued_at < {end})
ORDER BY p.booking_id, p.id
