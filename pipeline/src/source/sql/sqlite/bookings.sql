-- Each booking with a ticket in the period, once, with the count and the sum of all its tickets and their refunds,
-- whenever issued, and of those of the period.
WITH chosen AS (
    SELECT DISTINCT booking_id AS id
    FROM tickets
    WHERE issued_at >= {start} AND issued_at < {end} AND booking_id IS NOT NULL
), sold AS (
    SELECT
        t.booking_id,
        t.currency,
        count(*) AS tickets,
        sum(t.price) AS amount,
        count(*) FILTER (WHERE t.issued_at >= {start} AND t.issued_at < {end}) AS period_tickets,
        sum(t.price) FILTER (WHERE t.issued_at >= {start} AND t.issued_at < {end}) AS period_amount
    FROM tickets t
    JOIN chosen ON chosen.id = t.booking_id
    GROUP BY t.booking_id, t.currency
), refunded AS (
    SELECT
        t.booking_id,
        sum(r.refunded_amount) FILTER (WHERE r.currency = t.currency AND t.currency = b.currency) AS amount,
        sum(r.refunded_amount) FILTER (
            WHERE r.currency = t.currency AND t.currency = b.currency AND t.issued_at >= {start} AND t.issued_at < {end}
        ) AS period_amount,
        count(*) FILTER (WHERE r.currency <> t.currency OR t.currency <> b.currency) AS others
    FROM ticket_refunds r
    JOIN tickets t ON t.id = r.ticket_id
    JOIN chosen ON chosen.id = t.booking_id
    JOIN bookings b ON b.id = t.booking_id
    GROUP BY t.booking_id
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
    ) FILTER (WHERE sold.currency <> b.currency) AS ticket_totals_other,
    sum(sold.period_tickets) AS period_ticket_count,
    coalesce(sum(sold.period_amount) FILTER (WHERE sold.currency = b.currency), 0) AS period_ticket_total,
    coalesce(refunded.amount, 0) AS refund_total,
    coalesce(refunded.period_amount, 0) AS period_refund_total,
    coalesce(refunded.others, 0) AS other_refund_count
FROM bookings b
JOIN sold ON sold.booking_id = b.id
LEFT JOIN refunded ON refunded.booking_id = b.id
GROUP BY b.id
ORDER BY b.id COLLATE BINARY
