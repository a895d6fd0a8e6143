// What the SDK's own files share; collectors include `sandbeat.h`.
#ifndef SANDBEAT_INTERNAL_H
#define SANDBEAT_INTERNAL_H

#include "sandbeat.h"

#include <stdarg.h>

struct sandbeat_contribution {
    sandbeat_collector_types_list_metric_t metrics;
    sandbeat_collector_types_list_metadata_entry_t metadata;
};

// A copy of bytes with a zero byte behind them, in memory of the call.
uint8_t *sandbeat_copy(const void *data, size_t length);

// Makes memory that the host filled, and `free` would free, memory of the call, with a zero byte behind it.
const uint8_t *sandbeat_adopt(uint8_t *data, size_t length);

// Room for one item more in a list of `length` items that was made by this function, or is empty; returns the list.
void *sandbeat_grow(void *items, size_t length, size_t item);

// As by vprintf, in memory of the call.
char *sandbeat_vformat(const char *format, va_list arguments) SANDBEAT_PRINTF(1, 0);

// Frees all memory of the call. The host calls it, through the bindings, when it has taken the answer.
void sandbeat_end_call(void);

// Whether bytes are UTF-8 without a zero byte among them.
bool sandbeat_is_text(const uint8_t *data, size_t length);

// Text for the host, which refuses what is not UTF-8: as it is where it is text, otherwise a copy with U+FFFD for each
// byte that is none. Null is empty text.
collector_string_t sandbeat_text(const char *text);

// The same, always a copy.
collector_string_t sandbeat_text_copy(const char *text);

// The value under a key with dots in a JSON object, at its first character; null when there is none. The JSON comes
// from the host or from a test: what is no JSON has no values.
const char *sandbeat_json_find(const char *json, const char *key);

// The member of a JSON object behind the one with the value `*value`, or its first where that is null: its name, and its
// value at the first character. False when there is none.
bool sandbeat_json_next(const char *object, const char **name, size_t *length, const char **value);

// The text of a value for a person, or for the host's `get`: a string's characters, anything else as JSON.
const char *sandbeat_json_show(const char *value, size_t *length);

#endif
