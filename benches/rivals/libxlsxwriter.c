/*
 * libpq and libxlsxwriter in its constant memory mode: what a C program would do.
 *
 * Run with the database's address in DATABASE_URL, the query in QUERY, and the workbook's path as its only argument.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xlsxwriter.h>

/* The types' ids in PostgreSQL's catalogue. */
enum { INT8 = 20, DATE = 1082, TIME = 1083, TIMESTAMPTZ = 1184, NUMERIC = 1700 };

static void fail(const char *what, const char *reason) {
    fprintf(stderr, "%s: %s\n", what, reason);
    exit(1);
}

static void write_cell(lxw_worksheet *sheet, lxw_row_t row, lxw_col_t column, Oid type, const char *text,
                       lxw_format *format) {
    lxw_datetime at = {0};
    lxw_error error;
    switch (type) {
    case INT8:
    case NUMERIC:
        error = worksheet_write_number(sheet, row, column, strtod(text, NULL), format);
        break;
    case DATE:
        sscanf(text, "%d-%d-%d", &at.year, &at.month, &at.day);
        error = worksheet_write_datetime(sheet, row, column, &at, format);
        break;
    case TIME:
        sscanf(text, "%d:%d:%lf", &at.hour, &at.min, &at.sec);
        error = worksheet_write_datetime(sheet, row, column, &at, format);
        break;
    case TIMESTAMPTZ:
        sscanf(text, "%d-%d-%d %d:%d:%lf", &at.year, &at.month, &at.day, &at.hour, &at.min, &at.sec);
        error = worksheet_write_datetime(sheet, row, column, &at, format);
        break;
    default:
        error = worksheet_write_string(sheet, row, column, text, format);
    }
    if (error != LXW_NO_ERROR) {
        fail("a cell can't be written", lxw_strerror(error));
    }
}

int main(int argc, char **argv) {
    if (argc != 2 || !getenv("DATABASE_URL") || !getenv("QUERY")) {
        fail("usage", "DATABASE_URL=... QUERY=... libxlsxwriter PATH");
    }
    PGconn *connection = PQconnectdb(getenv("DATABASE_URL"));
    if (PQstatus(connection) != CONNECTION_OK) {
        fail("the database can't be reached", PQerrorMessage(connection));
    }
    PQclear(PQexec(connection, "SET TIME ZONE 'UTC'; SET datestyle = 'ISO'"));

    lxw_workbook_options options = {.constant_memory = LXW_TRUE};
    lxw_workbook *workbook = workbook_new_opt(argv[1], &options);
    lxw_worksheet *sheet = workbook_add_worksheet(workbook, "TicketingReport");
    lxw_format *money = workbook_add_format(workbook), *date = workbook_add_format(workbook);
    lxw_format *time = workbook_add_format(workbook), *instant = workbook_add_format(workbook);
    format_set_num_format(money, "#,##0.00");
    format_set_num_format(date, "yyyy-mm-dd");
    format_set_num_format(time, "hh:mm");
    format_set_num_format(instant, "yyyy-mm-dd hh:mm:ss");

    if (!PQsendQuery(connection, getenv("QUERY")) || !PQsetSingleRowMode(connection)) {
        fail("the query can't be sent", PQerrorMessage(connection));
    }
    lxw_row_t row = 0;
    for (PGresult *result; (result = PQgetResult(connection)); PQclear(result)) {
        if (PQresultStatus(result) != PGRES_SINGLE_TUPLE && PQresultStatus(result) != PGRES_TUPLES_OK) {
            fail("the query failed", PQerrorMessage(connection));
        }
        int columns = PQnfields(result);
        if (row == 0) {
            for (int i = 0; i < columns; i++) {
                worksheet_write_string(sheet, 0, (lxw_col_t)i, PQfname(result, i), NULL);
            }
        }
        for (int j = 0; j < PQntuples(result); j++) {
            row++;
            for (int i = 0; i < columns; i++) {
                if (PQgetisnull(result, j, i)) {
                    continue;
                }
                Oid type = PQftype(result, i);
                lxw_format *format = type == NUMERIC       ? money
                                     : type == DATE        ? date
                                     : type == TIME        ? time
                                     : type == TIMESTAMPTZ ? instant
                                                           : NULL;
                write_cell(sheet, row, (lxw_col_t)i, type, PQgetvalue(result, j, i), format);
            }
        }
    }
    PQfinish(connection);
    lxw_error error = workbook_close(workbook);
    if (error != LXW_NO_ERROR) {
        fail("the workbook can't be written", lxw_strerror(error));
    }
    return 0;
}
