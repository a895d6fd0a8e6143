// Write a collector for sandbeat in C.
//
// A collector measures something in a sandbox; the agent calls it at each interval and merges what it returns into the
// next status report. You write two things: `sandbeat_collector`, which says what it can report, and
// `sandbeat_collect`, which measures once.
//
//     static const sandbeat_metric JOBS = {
//         .kind = SANDBEAT_GAUGE,
//         .name = "queue.length",
//         .unit = "{job}",
//         .description = "Jobs that wait in the queue.",
//     };
//
//     const sandbeat_description sandbeat_collector = {
//         .version = "0.1.0",
//         .summary = "The length of the job queue.",
//         SANDBEAT_METRICS(&JOBS),
//     };
//
//     sandbeat_result sandbeat_collect(sandbeat_contribution *out) {
//         const char *text;
//         uint64_t jobs;
//         SANDBEAT_TRY(sandbeat_read_text("/run/queue/length", &text));
//         if (!sandbeat_parse_u64(text, &jobs)) {
//             return sandbeat_internal("`/run/queue/length` has no number in it");
//         }
//         sandbeat_add(out, &JOBS, (double)jobs);
//         return SANDBEAT_OK;
//     }
//
// Who owns what: everything that a function here hands to you (text, bytes, entries, errors) belongs to the call. It is
// valid until `sandbeat_collect` returns, and freed after it; free none of it. What you hand in is copied, the names,
// units and keys of your constants excepted. What you take from `malloc` yourself you free yourself.
//
// Out of memory is a trap: the call ends, and the agent names it. No function here returns a null pointer for it.
//
// Text is UTF-8 that ends with a zero byte. Bytes in text from you that are not UTF-8 are replaced by U+FFFD.
//
// What is not here (`limits`, `native`, `filesystems`, `processes`, `certificates`) is in `collector.h`, the raw bindings.
// What those return is freed with their own `…_free`.
#ifndef SANDBEAT_H
#define SANDBEAT_H

#include "collector.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define SANDBEAT_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define SANDBEAT_PRINTF(text, first)
#endif

// --- What a collector can report: constants, written once, used in `sandbeat_collector` and in `sandbeat_collect` ---

typedef enum {
    // What something is right now; it may go up and down.
    SANDBEAT_GAUGE,
    // A total that only grows until its source starts again, such as bytes received since boot.
    SANDBEAT_COUNTER,
    // How measurements are distributed over buckets.
    SANDBEAT_HISTOGRAM,
} sandbeat_kind;

// A dimension of metrics, such as `network.interface.name`.
typedef struct {
    // Words joined by `_`, namespaces by `.`.
    const char *key;
    // One sentence for a person.
    const char *description;
} sandbeat_key;

// A metric. Names and units are OpenTelemetry's; the agent checks them, and nothing here does.
typedef struct {
    sandbeat_kind kind;
    // For example `system.network.io`.
    const char *name;
    // In UCUM's notation: `By`, `s`, `1`, `{packet}`.
    const char *unit;
    // One sentence for a person.
    const char *description;
    // The dimensions that its points have, 16 at most.
    const sandbeat_key *keys[17];
    // Of a histogram, by SANDBEAT_BOUNDS: inclusive upper bounds, finite and strictly increasing.
    const double *bounds;
    size_t bound_count;
} sandbeat_metric;

// A metadata key: one fact that is not a number, such as `git.branch`.
typedef struct {
    const char *key;
    // One sentence for a person.
    const char *description;
} sandbeat_metadata;

// What a collector is. The same on every machine and whatever is granted: documentation is made from it.
typedef struct {
    // The collector's own version.
    const char *version;
    // One sentence for a person: what it measures.
    const char *summary;
    // Every metric that it can report, by SANDBEAT_METRICS.
    const sandbeat_metric *const *metrics;
    // Every metadata key that it can report, by SANDBEAT_METADATA.
    const sandbeat_metadata *const *metadata;
    // Where it can report more than these, because the names come from elsewhere: one sentence on what.
    const char *others;
} sandbeat_description;

#define SANDBEAT_BOUNDS(...)                                                                                           \
    .bounds = (const double[]){__VA_ARGS__}, .bound_count = sizeof((const double[]){__VA_ARGS__}) / sizeof(double)
#define SANDBEAT_METRICS(...) .metrics = (const sandbeat_metric *const[]){__VA_ARGS__, NULL}
#define SANDBEAT_METADATA(...) .metadata = (const sandbeat_metadata *const[]){__VA_ARGS__, NULL}

// --- What you write ---

// Why there is nothing to report, by who must act. Made by the functions under "What can go wrong".
typedef struct sandbeat_error sandbeat_error;

// SANDBEAT_OK, or an error.
typedef const sandbeat_error *sandbeat_result;
#define SANDBEAT_OK ((sandbeat_result)NULL)

// What one collect adds to the report. It grows as you add to it.
typedef struct sandbeat_contribution sandbeat_contribution;

extern const sandbeat_description sandbeat_collector;

// Measures once. Called at each interval, by default in a fresh instance: what has to survive belongs into the state,
// not into static variables. A value that could not be measured is left out, never made up; what is in `out` when an
// error is returned is dropped. It is not inlined, so that the backtrace of a trap names it.
__attribute__((__noinline__)) sandbeat_result sandbeat_collect(sandbeat_contribution *out);

// --- Adding to a contribution ---

// A gauge's value, or a counter's total, which must not be negative.
void sandbeat_add(sandbeat_contribution *out, const sandbeat_metric *metric, double value);

// Adds `more` to the total that is kept in the state under `key`, and reports it. An error when the state is full.
sandbeat_result sandbeat_count(sandbeat_contribution *out, const sandbeat_metric *counter, const char *key, double more);

// Counts one measurement in the distribution that is kept in the state under `key`, and reports it. One that was kept
// with other bounds is not used; what is not finite is left out. An error when the state is full.
sandbeat_result sandbeat_observe(sandbeat_contribution *out, const sandbeat_metric *histogram, const char *key,
                                 double measurement);

// A distribution that you keep yourself: measurements per bucket, one count more than the metric has bounds, and their
// sum in the metric's unit.
void sandbeat_add_histogram(sandbeat_contribution *out, const sandbeat_metric *histogram, const uint64_t *counts,
                            double sum);

// A point whose name comes from elsewhere; what is known beforehand is better declared.
void sandbeat_add_named(sandbeat_contribution *out, sandbeat_kind kind, const char *name, const char *unit,
                        double value);

// Gives the point that was added last one more dimension.
void sandbeat_attribute(sandbeat_contribution *out, const sandbeat_key *key, const char *value);
void sandbeat_attribute_named(sandbeat_contribution *out, const char *key, const char *value);

// One metadata entry.
void sandbeat_add_metadata(sandbeat_contribution *out, const sandbeat_metadata *metadata, const char *value);

// --- What can go wrong ---

typedef enum {
    // The sidecar's `[config]` is wrong. For the operator.
    SANDBEAT_CONFIG,
    // A grant is missing. For the operator.
    SANDBEAT_DENIED,
    // What it measures is not there, or not now.
    SANDBEAT_UNAVAILABLE,
    // Anything else, such as a file with an unexpected content. For the collector's author.
    SANDBEAT_INTERNAL,
} sandbeat_error_kind;

struct sandbeat_error {
    sandbeat_error_kind kind;
    // For the one who must act.
    const char *text;
    // What was wrong with a file: one of SANDBEAT_COLLECTOR_FILES_FILE_ERROR_…; -1 when it is about something else.
    int file;
};

// The value under a key of `[config]` is wrong: "`key` …".
sandbeat_result sandbeat_config_error(const char *key, const char *format, ...) SANDBEAT_PRINTF(2, 3);
sandbeat_result sandbeat_denied(const char *format, ...) SANDBEAT_PRINTF(1, 2);
sandbeat_result sandbeat_unavailable(const char *format, ...) SANDBEAT_PRINTF(1, 2);
sandbeat_result sandbeat_internal(const char *format, ...) SANDBEAT_PRINTF(1, 2);

// Returns from the function around it with the error of `expression`, if it has one.
#define SANDBEAT_TRY(expression)                                                                                       \
    do {                                                                                                               \
        sandbeat_result sandbeat_failed_ = (expression);                                                               \
        if (sandbeat_failed_ != SANDBEAT_OK) {                                                                         \
            return sandbeat_failed_;                                                                                   \
        }                                                                                                              \
    } while (0)

// --- Files that the sidecar grants under `[grant] read` ---

// Bytes; a zero byte that does not count follows them.
typedef struct {
    const uint8_t *data;
    size_t length;
} sandbeat_bytes;

// A whole file, 1 MiB at most.
sandbeat_result sandbeat_read(const char *path, sandbeat_bytes *content);

// A whole file of text, 1 MiB at most. Internal when it is not UTF-8 or has a zero byte in it.
sandbeat_result sandbeat_read_text(const char *path, const char **text);

// A part of a file, from `offset` on, `length` bytes or fewer (1 MiB at most); empty at or past its end.
sandbeat_result sandbeat_read_at(const char *path, uint64_t offset, uint32_t length, sandbeat_bytes *content);

// What is known of a file or folder without reading it.
sandbeat_result sandbeat_stat(const char *path, sandbeat_collector_files_info_t *info);

typedef struct {
    const char *name;
    // One of SANDBEAT_COLLECTOR_FILES_ENTRY_KIND_….
    sandbeat_collector_files_entry_kind_t kind;
} sandbeat_entry;

// The entries of a folder by name, as far as they are granted or lead to something that may be.
sandbeat_result sandbeat_list(const char *directory, const sandbeat_entry **entries, size_t *count);

// --- The sidecar's `[config]`; a key has dots for nested tables (`http.timeout`) ---

// A config error for the first key that is not among these: it names the key, the nearest one and all that there are,
// so that nobody takes a key that he mistyped for one that holds. What is below a key that is named here is for the
// collector to look at.
#define SANDBEAT_CONFIG_ONLY(...) sandbeat_config_only((const char *const[]){__VA_ARGS__, NULL})

// The same of a list that ends with null; a collector without settings has an empty one.
sandbeat_result sandbeat_config_only(const char *const *known);

// These leave `*value` as it is when the key is absent, so that it can hold the default, and are a config error that
// names the key when the value is of another type.
sandbeat_result sandbeat_config_string(const char *key, const char **value);
sandbeat_result sandbeat_config_bool(const char *key, bool *value);
sandbeat_result sandbeat_config_integer(const char *key, int64_t *value);
sandbeat_result sandbeat_config_number(const char *key, double *value);

// The whole table as one JSON object; `{}` when there is none.
const char *sandbeat_config_json(void);

// --- State, which survives the end of an instance and the reload of the file, 64 KiB by default ---

// Copies what is kept under `key` to `value`. False, and nothing copied, when nothing of exactly this size is kept:
// so an older version's struct counts as none. Use another key where the size stays and the meaning does not.
bool sandbeat_state_get(const char *key, void *value, size_t size);

// What is kept under `key`, of any size; false when nothing is.
bool sandbeat_state_bytes(const char *key, sandbeat_bytes *value);

// Keeps a value. Internal when the key is empty or longer than 128 bytes, or the state full.
sandbeat_result sandbeat_state_set(const char *key, const void *value, size_t size);

// Forgets a key; nothing happens when it is absent.
void sandbeat_state_delete(const char *key);

// All keys, in the order of their bytes.
void sandbeat_state_keys(const char *const **keys, size_t *count);

// --- Lines for the agent's log ---

// One of SANDBEAT_COLLECTOR_LOG_LEVEL_…. Control characters are escaped, and what is over 1024 bytes is cut off.
void sandbeat_log(sandbeat_collector_log_level_t level, const char *format, ...) SANDBEAT_PRINTF(2, 3);
#define sandbeat_log_trace(...) sandbeat_log(SANDBEAT_COLLECTOR_LOG_LEVEL_TRACE, __VA_ARGS__)
#define sandbeat_log_debug(...) sandbeat_log(SANDBEAT_COLLECTOR_LOG_LEVEL_DEBUG, __VA_ARGS__)
#define sandbeat_log_info(...) sandbeat_log(SANDBEAT_COLLECTOR_LOG_LEVEL_INFO, __VA_ARGS__)
#define sandbeat_log_warn(...) sandbeat_log(SANDBEAT_COLLECTOR_LOG_LEVEL_WARN, __VA_ARGS__)
#define sandbeat_log_error(...) sandbeat_log(SANDBEAT_COLLECTOR_LOG_LEVEL_ERROR, __VA_ARGS__)

// --- Text ---

// As by printf.
const char *sandbeat_format(const char *format, ...) SANDBEAT_PRINTF(1, 2);

// Memory of the call, filled with zeros.
void *sandbeat_alloc(size_t size);

// A decimal integer with white space around it and nothing else; false when it is anything else, or too large.
bool sandbeat_parse_u64(const char *text, uint64_t *value);

#ifdef __cplusplus
}
#endif
#endif
