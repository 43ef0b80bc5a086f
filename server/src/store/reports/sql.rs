//! Reports, in the SQL common to both engines. Each engine compiles this file as a module of its own, with its own
//! connection type.

use super::dialect::Connection;
use crate::store::StoreError;
use crate::store::reports::{MOST_OPEN, NewReport, Report};
use crate::store::row::{signed, time};

/// The columns of a report, with those of its reporter and of the reported account.
type Row = (i64, String, String, Option<String>, String, String, i64);

pub(super) async fn file_report(connection: &mut Connection, report: NewReport) -> Result<bool, StoreError> {
    const FILE: &str = "INSERT INTO reports (reporter, about, messages, note, reported_at) SELECT $1, $2, $3, $4, $5 \
        WHERE (SELECT count(*) FROM reports WHERE reporter = $1) < $6";
    let filed = sqlx::query(FILE)
        .bind(report.reporter.0)
        .bind(report.about.to_string())
        .bind(report.messages.join(" "))
        .bind(report.note)
        .bind(signed(report.now.unix()))
        .bind(signed(MOST_OPEN))
        .execute(connection)
        .await?;
    Ok(filed.rows_affected() > 0)
}

pub(super) async fn open_reports(connection: &mut Connection) -> Result<Vec<Report>, StoreError> {
    const SQL: &str = "SELECT reports.id, reporters.handle, about, reported.handle, messages, note, reported_at \
        FROM reports JOIN accounts reporters ON reporters.id = reporter \
        LEFT JOIN accounts reported ON reported.primary_key = about ORDER BY reports.id";
    let rows: Vec<Row> = sqlx::query_as(SQL).fetch_all(connection).await?;
    rows.into_iter().map(report).collect()
}

fn report(row: Row) -> Result<Report, StoreError> {
    let (id, reporter, about, about_handle, messages, note, at) = row;
    let handle = |text: String| text.parse().map_err(|_| StoreError::Corrupt("handle"));
    Ok(Report {
        id,
        reporter: handle(reporter)?,
        about: about.parse().map_err(|_| StoreError::Corrupt("key"))?,
        about_handle: about_handle.map(handle).transpose()?,
        messages: messages.split_whitespace().map(str::to_owned).collect(),
        note,
        at: time(at)?,
    })
}

pub(super) async fn close_report(connection: &mut Connection, id: i64) -> Result<bool, StoreError> {
    let closed = sqlx::query("DELETE FROM reports WHERE id = $1").bind(id).execute(connection).await?;
    Ok(closed.rows_affected() > 0)
}
