//! Sales by day, route, fare and class, and pair of stations: a table for each currency.

use std::collections::BTreeMap;

use jiff::ToSpan;
use rust_xlsxwriter::XlsxError;

use super::{
    BY_DAY, BY_FARE, BY_PAIR, BY_ROUTE, Column, Facts, Grid, Kind, Total, Value,
    charts::{GREATEST, Places, Range},
};
use crate::{
    manifest::Money,
    summary::{CurrencySummary, Relation, Sales},
};

/// The heading of a part, its keys' cells, and its sales.
type Part = (Vec<Value>, Sales);

/// The number of sales' columns.
const SALES_COLUMNS: u16 = 6;

/// What is written of a currency's parts: the columns of the keys, and the parts in their order.
fn table(
    facts: &Facts<'_>,
    grid: &mut Grid<'_>,
    name: &str,
    keys: Vec<Column>,
    parts: &[Part],
    of: &CurrencySummary,
    extra: Option<(Column, Vec<Value>)>,
) -> Result<(u32, u32), XlsxError> {
    let sum = |of: &dyn Fn(&Sales) -> i128| parts.iter().map(|(_, sales)| of(sales)).sum::<i128>();
    let mut whole = Sales::default();
    parts.iter().for_each(|(_, sales)| whole.add(sales));
    let count = |value: i128| Total::Sum(Value::Count(value));
    let money = |value: i128| Total::Sum(Value::Money(Money(value)));
    let mut columns = keys;
    columns.extend([
        facts.term("tickets", Kind::Count, count(sum(&|sales| sales.tickets.into()))),
        facts.term("gross", Kind::Money, money(sum(&|sales| sales.gross.0))),
        facts.term("refunds", Kind::Money, money(sum(&|sales| sales.refunds.0))),
        facts.term("net", Kind::Money, money(sum(&|sales| sales.net().0))),
        facts.term("average_fare", Kind::Money, average(facts, name, &whole)),
        facts.term("share", Kind::Share, Total::Sum(Value::Share(share(&whole, of)))),
    ]);
    let mut rows: Vec<Vec<Value>> = parts
        .iter()
        .map(|(key, sales)| {
            let mut row = key.clone();
            row.extend([
                Value::count(sales.tickets),
                Value::Money(sales.gross),
                Value::Money(sales.refunds),
                Value::Money(sales.net()),
                sales.average_fare().map_or(Value::Empty, Value::Money),
                Value::Share(share(sales, of)),
            ]);
            row
        })
        .collect();
    if let Some((column, values)) = extra {
        columns.push(column);
        rows.iter_mut().zip(values).for_each(|(row, value)| row.push(value));
    }
    let place = grid.table(name, &columns, &rows, &[])?;
    Ok((place.first_row, place.last_row))
}

/// The average over what is shown of a table.
fn average(facts: &Facts<'_>, table: &str, whole: &Sales) -> Total {
    let [tickets, gross] = ["tickets", "gross"].map(|key| facts.locale().name(key));
    let [tickets, gross] = [tickets, gross].map(|heading| format!("SUBTOTAL(109,{table}[{heading}])"));
    let value = whole.average_fare().map_or(Value::Count(0), Value::Money);
    Total::Formula(format!("IF({tickets}=0,0,ROUND({gross}/{tickets},2))"), value)
}

fn share(sales: &Sales, of: &CurrencySummary) -> f64 {
    if of.sales.gross.0 == 0 { 0.0 } else { sales.gross.0 as f64 / of.sales.gross.0 as f64 }
}

/// The title, the basis, and for each currency that has sold something its table.
fn each_currency<'a>(
    facts: &'a Facts<'_>,
    grid: &mut Grid<'_>,
    sheet: &str,
    mut write: impl FnMut(&mut Grid<'_>, usize, &str, &'a CurrencySummary) -> Result<(), XlsxError>,
) -> Result<(), XlsxError> {
    grid.basis(&facts.cut())?;
    grid.basis(&facts.locale().text(&format!("basis.{sheet}")))?;
    let sold: Vec<_> = facts.currencies.iter().filter(|(_, of)| of.sales.tickets > 0).collect();
    if sold.is_empty() {
        grid.section(&facts.locale().text("nothing_sold"))?;
    }
    for (i, (code, of)) in sold.into_iter().enumerate() {
        grid.section(&facts.currency(code))?;
        write(grid, i, code, of)?;
    }
    Ok(())
}

pub(super) fn by_day(facts: &Facts<'_>, grid: &mut Grid<'_>, places: &mut Places) -> Result<(), XlsxError> {
    let days = facts.manifest.period.period();
    let previous = facts.manifest.compared.iter().find(|other| other.relation == Relation::Previous);
    each_currency(facts, grid, BY_DAY, |grid, i, code, of| {
        // Days without a ticket are part of the picture.
        let mut parts = Vec::new();
        let mut before = Vec::new();
        let mut day = days.first();
        let mut sold = of.by_day.iter().peekable();
        while day <= days.last() {
            let sales = sold.next_if(|part| part.key.day == day).map_or_else(Sales::default, |part| part.sales);
            let nth = day.since(days.first()).map_or(0, |span| span.get_days());
            before.push(previous.map_or(Value::Empty, |other| {
                let same = other.period.period().first().saturating_add(nth.days());
                if same > other.period.period().last() {
                    return Value::Empty;
                }
                let net = other.currencies.get(code).map(|of| &of.net_by_day).into_iter().flatten();
                let net = net.clone().find(|(its_day, _)| *its_day == same).map_or(Money(0), |(_, net)| *net);
                Value::Money(net)
            }));
            parts.push((vec![Value::Date(day)], sales));
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        let total: i128 = before.iter().map(|value| if let Value::Money(net) = value { net.0 } else { 0 }).sum();
        let extra = previous.map(|_| {
            let total = Total::Sum(Value::Money(Money(total)));
            (facts.column("previous_net", Kind::Money, total), before)
        });
        let keys = vec![facts.column("day", Kind::Date, facts.total_label())];
        let has_previous = extra.is_some();
        let rows = table(facts, grid, &facts.table_name(BY_DAY, code), keys, &parts, of, extra)?;
        if i == 0 {
            places.days = Some(Range { sheet: BY_DAY, rows, names: 0, amounts: 4 });
            places.previous_days = has_previous.then_some(1 + SALES_COLUMNS);
        }
        Ok(())
    })
}

pub(super) fn by_route(facts: &Facts<'_>, grid: &mut Grid<'_>, places: &mut Places) -> Result<(), XlsxError> {
    each_currency(facts, grid, BY_ROUTE, |grid, i, code, of| {
        let parts = of.by_route.iter().map(|part| {
            let route = part.key.route.as_deref().map_or_else(|| facts.missing(), |code| Value::Text(code.to_owned()));
            (vec![route, Value::text(part.key.name.as_deref())], part.sales)
        });
        let keys = vec![
            facts.column("route", Kind::Text, facts.total_label()),
            facts.column("route_name", Kind::Text, Total::None),
        ];
        let rows = table(facts, grid, &facts.table_name(BY_ROUTE, code), keys, &greatest_first(parts), of, None)?;
        if i == 0 {
            let last = rows.1.min(rows.0 + u32::try_from(GREATEST).unwrap_or(0) - 1);
            places.routes = Some(Range { sheet: BY_ROUTE, rows: (rows.0, last), names: 0, amounts: 5 });
        }
        Ok(())
    })?;
    load(facts, grid)
}

/// How full the trains of each route were.
fn load(facts: &Facts<'_>, grid: &mut Grid<'_>) -> Result<(), XlsxError> {
    let loads = &facts.summary.load;
    if loads.is_empty() {
        return Ok(());
    }
    grid.section(&facts.locale().name("load"))?;
    grid.basis(&facts.locale().meaning("load"))?;
    let sum = |of: fn(&crate::summary::Load) -> u64| -> u64 { loads.iter().map(of).sum() };
    let count = |of: fn(&crate::summary::Load) -> u64| Total::Sum(Value::count(sum(of)));
    let (passengers, capacity) = (sum(|load| load.passengers), sum(|load| load.capacity));
    let ratio = |passengers: u64, capacity: u64| passengers as f64 / capacity as f64;
    let headings = ["load_passengers", "seats"].map(|key| facts.locale().text(&format!("heading.{key}")));
    let [of, all] = headings.map(|heading| format!("SUBTOTAL(109,Load[{heading}])"));
    let whole = if capacity == 0 { facts.missing() } else { Value::Share(ratio(passengers, capacity)) };
    let formula = format!("IF({all}=0,\"{}\",{of}/{all})", facts.locale().text("not_available"));
    let columns = [
        facts.column("route", Kind::Text, facts.total_label()),
        facts.column("route_name", Kind::Text, Total::None),
        facts.column("trips", Kind::Count, count(|load| load.trips)),
        facts.column("known_trips", Kind::Count, count(|load| load.known_trips)),
        facts.column("load_passengers", Kind::Count, count(|load| load.passengers)),
        facts.column("seats", Kind::Count, count(|load| load.capacity)),
        facts.term("load", Kind::Share, Total::Formula(formula, whole)),
    ];
    let rows: Vec<Vec<Value>> = loads
        .iter()
        .map(|load| {
            let known = load.capacity > 0;
            vec![
                load.route.route.as_deref().map_or_else(|| facts.missing(), |code| Value::Text(code.to_owned())),
                Value::text(load.route.name.as_deref()),
                Value::count(load.trips),
                Value::count(load.known_trips),
                if known { Value::count(load.passengers) } else { facts.missing() },
                if known { Value::count(load.capacity) } else { facts.missing() },
                if known { Value::Share(ratio(load.passengers, load.capacity)) } else { facts.missing() },
            ]
        })
        .collect();
    grid.table("Load", &columns, &rows, &[]).map(drop)
}

pub(super) fn by_fare(facts: &Facts<'_>, grid: &mut Grid<'_>, places: &mut Places) -> Result<(), XlsxError> {
    each_currency(facts, grid, BY_FARE, |grid, i, code, of| {
        let key =
            |text: &Option<String>| text.as_deref().map_or_else(|| facts.missing(), |t| Value::Text(t.to_owned()));
        let parts = of.by_fare.iter().map(|part| (vec![key(&part.key.fare), key(&part.key.class)], part.sales));
        let keys =
            vec![facts.column("fare", Kind::Text, facts.total_label()), facts.column("class", Kind::Text, Total::None)];
        table(facts, grid, &facts.table_name(BY_FARE, code), keys, &greatest_first(parts), of, None)?;

        grid.section(&format!("{}, {}", facts.locale().text("by_class"), facts.currency(code)))?;
        let mut classes: BTreeMap<&Option<String>, Sales> = BTreeMap::new();
        of.by_fare.iter().for_each(|part| classes.entry(&part.key.class).or_default().add(&part.sales));
        let parts = classes.iter().map(|(class, sales)| (vec![key(class)], *sales));
        let keys = vec![facts.column("class", Kind::Text, facts.total_label())];
        let name = facts.table_name("By class", code);
        let rows = table(facts, grid, &name, keys, &greatest_first(parts), of, None)?;
        if i == 0 {
            places.classes = Some(Range { sheet: BY_FARE, rows, names: 0, amounts: 4 });
        }
        Ok(())
    })
}

pub(super) fn by_station_pair(facts: &Facts<'_>, grid: &mut Grid<'_>) -> Result<(), XlsxError> {
    each_currency(facts, grid, BY_PAIR, |grid, _, code, of| {
        let key =
            |text: &Option<String>| text.as_deref().map_or_else(|| facts.missing(), |t| Value::Text(t.to_owned()));
        let parts = of.by_station_pair.iter().map(|part| (vec![key(&part.key.from), key(&part.key.to)], part.sales));
        let keys =
            vec![facts.column("from", Kind::Text, facts.total_label()), facts.column("to", Kind::Text, Total::None)];
        table(facts, grid, &facts.table_name(BY_PAIR, code), keys, &greatest_first(parts), of, None).map(drop)
    })
}

/// Parts by their net sales, the greatest first; those of the same in the order in which they came.
fn greatest_first(parts: impl Iterator<Item = Part>) -> Vec<Part> {
    let mut parts: Vec<Part> = parts.collect();
    parts.sort_by_key(|(_, sales)| std::cmp::Reverse(sales.net()));
    parts
}
