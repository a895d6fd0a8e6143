// A collector's tests without an agent: a stand-in for it, and functions to look at what was collected.
//
// A test is compiled with the C compiler of the machine, together with `sandbeat_testing.c`, the collector and the
// SDK's other files except `collector.c`, whose place the stand-in takes. It fills the sandbox, collects, and looks:
//
//     sandbeat_test_reset();
//     sandbeat_test_file("/run/queue/length", "3\n");
//     assert(sandbeat_test_collect());
//     assert(sandbeat_test_value("queue.length") == 3);
//
// What a test does not put in is not there: no grant, no config, no state. What is collected stays until the next
// collect or reset; what a collector keeps in its state and writes to the log stays until the reset.
//
// For a collector that calls the raw bindings of `native`, `filesystems`, `processes` or `certificates`, the test
// defines those functions itself, as `collector.h` declares them.
#ifndef SANDBEAT_TESTING_H
#define SANDBEAT_TESTING_H

#include "sandbeat.h"

// Empties the sandbox.
void sandbeat_test_reset(void);

// --- What the collector finds ---

// A granted file of text, or of any bytes.
void sandbeat_test_file(const char *path, const char *content);
void sandbeat_test_file_bytes(const char *path, const void *content, size_t length);

// A path that is granted, and at which nothing is.
void sandbeat_test_missing(const char *path);

// The sidecar's `[config]` as one JSON object.
void sandbeat_test_config(const char *json);

// Other limits than those of a sidecar that sets none. That of the state is kept here as well.
void sandbeat_test_limits(const sandbeat_collector_limits_limits_t *limits);

// The state, to put in what an older version kept.
void sandbeat_test_state(const char *key, const void *value, size_t size);

// --- Collecting ---

// Collects once; false when the collector returned an error.
bool sandbeat_test_collect(void);

// The error; null when there was none.
const sandbeat_error *sandbeat_test_error(void);

// The contribution: points and metadata in the form of the bindings.
const exports_sandbeat_collector_guest_contribution_t *sandbeat_test_contribution(void);

// The first point of a gauge or counter with this name: its value; NaN when there is none.
double sandbeat_test_value(const char *metric);

// The first point of a histogram with this name; null when there is none.
const sandbeat_collector_types_histogram_t *sandbeat_test_histogram(const char *metric);

// An attribute of the first point with this name, and a metadata entry; null when there is none.
const char *sandbeat_test_attribute(const char *metric, const char *key);
const char *sandbeat_test_metadata(const char *key);

// How many lines of at least this level were written to the log, and the last line of all; empty when there is none.
size_t sandbeat_test_lines(sandbeat_collector_log_level_t least);
const char *sandbeat_test_last_line(void);

#endif
