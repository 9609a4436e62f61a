-- What the database itself counts and adds up, by table and currency; the files must agree to the cent.
SELECT 'tickets' AS name, t.currency::text AS currency, count(*) AS rows, sum(t.price)::text AS amount
FROM tickets t
WHERE t.issued_at >= {start} AND t.issued_at < {end}
GROUP BY t.currency
UNION ALL
SELECT 'bookings', b.currency::text, count(*), sum(b.total_amount)::text
FROM bookings b
WHERE EXISTS (SELECT FROM tickets t WHERE t.booking_id = b.id AND t.issued_at >= {start} AND t.issued_at < {end})
GROUP BY b.currency
UNION ALL
SELECT 'payments', p.currency::text, count(*), sum(p.amount)::text
FROM payments p
WHERE EXISTS (SELECT FROM tickets t WHERE t.booking_id = p.booking_id AND t.issued_at >= {start} AND t.issued_at < {end})
GROUP BY p.currency
UNION ALL
SELECT 'refunds', r.currency::text, count(*), sum(r.refunded_amount)::text
FROM ticket_refunds r
JOIN tickets t ON t.id = r.ticket_id
WHERE t.issued_at >= {start} AND t.issued_at < {end}
GROUP BY r.currency
UNION ALL
SELECT 'trips', NULL, count(*), NULL
FROM (SELECT DISTINCT t.trip_id FROM tickets t WHERE t.issued_at >= {start} AND t.issued_at < {end}) travelled
