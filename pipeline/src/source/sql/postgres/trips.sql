-- The trips of the period's tickets, with the capacity of their trains.
SELECT
    tr.id AS trip_id,
    r.code::text AS route_code,
    r.name::text AS route_name,
    tr.service_date,
    tr.departure_time,
    tr.arrival_time,
    ds.code::text AS departure_station_code,
    ds.timezone::text AS departure_time_zone,
    ars.code::text AS arrival_station_code,
    ars.timezone::text AS arrival_time_zone,
    tr.status::text AS status,
    tn.registration::text AS train_registration,
    tn.capacity::bigint AS capacity
FROM (SELECT DISTINCT trip_id FROM tickets WHERE issued_at >= {start} AND issued_at < {end}) chosen
JOIN trips tr ON tr.id = chosen.trip_id
LEFT JOIN routes r ON r.id = tr.route_id
LEFT JOIN stations ds ON ds.id = tr.departure_station_id
LEFT JOIN stations ars ON ars.id = tr.arrival_station_id
LEFT JOIN trains tn ON tn.id = tr.train_id
ORDER BY tr.id
