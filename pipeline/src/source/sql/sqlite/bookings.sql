-- Each booking with a ticket in the period, once, with the count and the sum of all its tickets, whenever issued.
WITH chosen AS (
    SELECT DISTINCT booking_id AS id
    FROM tickets
    WHERE issued_at >= {start} AND issued_at < {end} AND booking_id IS NOT NULL
), sold AS (
    SELECT t.booking_id, t.currency, count(*) AS tickets, sum(t.price) AS amount
    FROM tickets t
    JOIN chosen ON chosen.id = t.booking_id
    GROUP BY t.booking_id, t.currency
)
SELECT
    b.id AS booking_id,
    b.booking_ref AS booking_ref,
    b.status AS status,
    b.total_amount,
    b.currency AS currency,
    b.created_at,
    b.expires_at,
    sum(sold.tickets) AS ticket_count,
    coalesce(sum(sold.amount) FILTER (WHERE sold.currency = b.currency), 0) AS ticket_total,
    group_concat(
        sold.currency || ' ' || printf('%s%d.%02d', iif(sold.amount < 0, '-', ''), abs(sold.amount) / 100, abs(sold.amount) % 100), '; '
        ORDER BY sold.currency COLLATE BINARY
    ) FILTER (WHERE sold.currency <> b.currency) AS ticket_totals_other
FROM bookings b
JOIN sold ON sold.booking_id = b.id
GROUP BY b.id
ORDER BY b.booking_ref COLLATE BINARY
