//! Planning on a state without changing it: the file is open for reading, in one snapshot, and what a
//! plan changes goes to temporary tables of the connection, which go with it however it ends. Small
//! tables are copied. A large one becomes a view, under its own name: the rows of the file that are not
//! replaced, and the new ones. So every statement is the same as on the state itself.

use rusqlite::Connection;

/// Tables that are no larger than what a cycle is to do.
const COPIED: &[&str] = &[
    "counter",
    "sources",
    "old_accounts",
    "names",
    "paths",
    "watermarks",
    "job_sources",
    "strategy",
    "shards",
    "shard_objects",
    "jobs",
    "described",
    "learned",
    "scratch",
    "roles",
    "pending",
    "link_events",
    "gone",
    "needs",
    "holds",
    "hold_reasons",
    "lost_members",
    "unreported_managers",
    "unreported_members",
    "withheld",
    "escrow",
    "cycles",
    "nested",
];

/// A table as large as the directory.
struct Large {
    name: &'static str,
    key: &'static [&'static str],
}

const LARGE: &[Large] = &[
    Large {
        name: "objects",
        key: &["key"],
    },
    Large {
        name: "actions",
        key: &["id"],
    },
    Large {
        name: "labels",
        key: &["kind", "label", "key"],
    },
    Large {
        name: "members",
        key: &["group_key", "member_key"],
    },
    Large {
        name: "memberships",
        key: &["member_key", "group_key"],
    },
    Large {
        name: "assignments",
        key: &["job", "kind", "principal", "role"],
    },
    Large {
        name: "links",
        key: &["link"],
    },
    Large {
        name: "sent_references",
        key: &["job", "source", "path"],
    },
    Large {
        name: "sent_members",
        key: &["job", "group_key", "member_key"],
    },
];

/// Puts the layer over the file that the connection has open. What a view is given with `OR IGNORE`
/// stays as it is where it is known; a plain insert or update replaces.
pub(super) fn put(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN")?;
    for table in COPIED {
        let create = definition(connection, table)?;
        connection.execute_batch(&format!(
            "{};\n INSERT INTO temp.{table} SELECT * FROM main.{table};",
            create.replacen("CREATE TABLE", "CREATE TEMP TABLE", 1)
        ))?;
    }
    LARGE.iter().try_for_each(|large| layer(connection, large))
}

fn definition(connection: &Connection, table: &str) -> rusqlite::Result<String> {
    connection.query_row(
        "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?1",
        [table],
        |row| row.get(0),
    )
}

fn layer(connection: &Connection, large: &Large) -> rusqlite::Result<()> {
    let Large { name, key } = large;
    let create = definition(connection, name)?.replacen(
        &format!("CREATE TABLE {name}"),
        &format!("CREATE TEMP TABLE new_{name}"),
        1,
    );
    connection.execute_batch(&create)?;
    let indexes: Vec<String> = connection
        .prepare(
            "SELECT sql FROM main.sqlite_schema
             WHERE type = 'index' AND tbl_name = ?1 AND sql IS NOT NULL",
        )?
        .query_map([name], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for index in indexes {
        let index = index.replacen("INDEX ", "INDEX temp.", 1).replacen(
            &format!(" ON {name} "),
            &format!(" ON new_{name} "),
            1,
        );
        connection.execute_batch(&index)?;
    }
    let columns: Vec<(String, String, Option<String>)> = connection
        .prepare("SELECT name, type, dflt_value FROM pragma_table_info(?1, 'main')")?
        .query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let names: Vec<&str> = columns.iter().map(|(name, ..)| name.as_str()).collect();
    // A view knows no defaults: what an insert leaves out arrives as NULL.
    let inserted: Vec<String> = columns
        .iter()
        .map(|(name, _, default)| match default {
            Some(default) => format!("coalesce(NEW.{name}, {default})"),
            None => format!("NEW.{name}"),
        })
        .collect();
    let list = names.join(", ");
    let key_list = key.join(", ");
    // With their types, or else a comparison with the file's column could not use the key.
    let key_columns: Vec<String> = columns
        .iter()
        .filter(|(name, ..)| key.contains(&name.as_str()))
        .map(|(name, of_type, _)| format!("{name} {of_type} NOT NULL"))
        .collect();
    let key_columns = key_columns.join(", ");
    let of = |row: &str, names: &[&str]| {
        let names = names.iter().map(|name| format!("{row}.{name}"));
        names.collect::<Vec<_>>().join(", ")
    };
    let equal = |one: &str, other: &str| {
        let pairs = key
            .iter()
            .map(|name| format!("{one}.{name} = {other}.{name}"));
        pairs.collect::<Vec<_>>().join(" AND ")
    };
    let same_new = equal(&format!("new_{name}"), "NEW");
    let drop_old = format!(
        "DELETE FROM new_{name} WHERE {};
         INSERT OR IGNORE INTO gone_{name}
             SELECT {} WHERE EXISTS (SELECT 1 FROM main.{name} of_file WHERE {});",
        equal(&format!("new_{name}"), "OLD"),
        of("OLD", key),
        equal("of_file", "OLD"),
    );
    connection.execute_batch(&format!(
        "CREATE TEMP TABLE gone_{name} ({key_columns}, PRIMARY KEY ({key_list})) WITHOUT ROWID;
         CREATE TEMP VIEW {name} AS
             SELECT {list} FROM main.{name} of_file
             WHERE NOT EXISTS (SELECT 1 FROM temp.gone_{name} g WHERE {gone_is_main})
             UNION ALL
             SELECT {list} FROM temp.new_{name};
         CREATE TEMP TRIGGER insert_{name} INSTEAD OF INSERT ON {name} BEGIN
             INSERT INTO new_{name} ({list})
                 SELECT {inserted} WHERE NOT EXISTS (
                     SELECT 1 FROM main.{name} of_file WHERE {main_is_new}
                         AND NOT EXISTS (SELECT 1 FROM temp.gone_{name} g WHERE {gone_is_main}))
                     AND NOT EXISTS (SELECT 1 FROM temp.new_{name} WHERE {same_new});
         END;
         CREATE TEMP TRIGGER update_{name} INSTEAD OF UPDATE ON {name} BEGIN
             {drop_old}
             INSERT INTO new_{name} ({list}) SELECT {new};
         END;
         CREATE TEMP TRIGGER delete_{name} INSTEAD OF DELETE ON {name} BEGIN
             {drop_old}
         END;",
        gone_is_main = equal("g", "of_file"),
        main_is_new = equal("of_file", "NEW"),
        inserted = inserted.join(", "),
        new = of("NEW", &names),
    ))
}
