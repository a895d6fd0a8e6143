// The agent's stand-in in native tests: the imports of the collector world over tables that a test fills, with the
// agent's rules for grants, sizes and the state, and the accessors of `sandbeat_testing.h`.
//
// Tables are kept until the reset. What is handed to the collector is allocated as the bindings do it, so that the
// SDK's rules of ownership hold here, too, and a leak checker sees where they do not.

#include "sandbeat_testing.h"

#include "internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_LIMIT = 128, READ_LIMIT = 1 << 20 };

// Those of a sidecar that sets none.
static const sandbeat_collector_limits_limits_t DEFAULTS = {
    .memory = 32 << 20,
    .timeout = 1000000000,
    .cpu = 200000000,
    .output = 1 << 20,
    .metrics = 1000,
    .metadata = 64,
    .attributes = 16,
    .series = 2000,
    .state = 64 << 10,
    .file_calls = 1000,
    .file_bytes = 16 << 20,
    .http_requests = 16,
    .http_bytes = 4 << 20,
    .http_timeout = 5000000000,
};

// One thing by name; `data` is null for a path at which nothing is.
typedef struct named {
    struct named *next;
    char *name;
    uint8_t *data;
    size_t length;
} named;

typedef struct line {
    struct line *next;
    sandbeat_collector_log_level_t level;
    char *text;
} line;

static named *files, *state;
// The newest line first.
static line *lines;
static char *config;
static sandbeat_collector_limits_limits_t limits;
static exports_sandbeat_collector_guest_contribution_t contribution;
static sandbeat_error error;
static bool has_failed;

static void *allocate(size_t size) {
    void *made = malloc(size > 0 ? size : 1);
    if (made == NULL) {
        abort();
    }
    return made;
}

static uint8_t *copy(const void *data, size_t length) {
    uint8_t *made = allocate(length + 1);
    if (length > 0) {
        memcpy(made, data, length);
    }
    made[length] = 0;
    return made;
}

static named *find(named *table, const char *name, size_t length) {
    for (; table != NULL; table = table->next) {
        if (strlen(table->name) == length && memcmp(table->name, name, length) == 0) {
            return table;
        }
    }
    return NULL;
}

static named *put(named **table, const char *name, size_t name_length, const void *data, size_t length) {
    named *entry = find(*table, name, name_length);
    if (entry == NULL) {
        entry = allocate(sizeof(*entry));
        *entry = (named){*table, (char *)copy(name, name_length), NULL, 0};
        *table = entry;
    }
    free(entry->data);
    entry->data = data == NULL ? NULL : copy(data, length);
    entry->length = length;
    return entry;
}

static void clear(named **table) {
    while (*table != NULL) {
        named *entry = *table;
        *table = entry->next;
        free(entry->name);
        free(entry->data);
        free(entry);
    }
}

// --- Filling the sandbox ---

static void forget_answer(void) {
    sandbeat_end_call();
    contribution = (exports_sandbeat_collector_guest_contribution_t){{NULL, 0}, {NULL, 0}};
    has_failed = false;
}

void sandbeat_test_reset(void) {
    forget_answer();
    clear(&files);
    clear(&state);
    while (lines != NULL) {
        line *next = lines->next;
        free(lines->text);
        free(lines);
        lines = next;
    }
    free(config);
    config = NULL;
    limits = DEFAULTS;
}

void sandbeat_test_file(const char *path, const char *content) {
    sandbeat_test_file_bytes(path, content, strlen(content));
}

void sandbeat_test_file_bytes(const char *path, const void *content, size_t length) {
    put(&files, path, strlen(path), content, length);
}

void sandbeat_test_missing(const char *path) {
    put(&files, path, strlen(path), NULL, 0);
}

void sandbeat_test_config(const char *json) {
    free(config);
    config = (char *)copy(json, strlen(json));
}

void sandbeat_test_limits(const sandbeat_collector_limits_limits_t *given) {
    limits = *given;
}

void sandbeat_test_state(const char *key, const void *value, size_t size) {
    put(&state, key, strlen(key), value, size);
}

// --- Collecting, and what came of it ---

bool sandbeat_test_collect(void) {
    forget_answer();
    exports_sandbeat_collector_guest_error_t failed;
    has_failed = !exports_sandbeat_collector_guest_collect(&contribution, &failed);
    if (has_failed) {
        error = (sandbeat_error){(sandbeat_error_kind)failed.tag, (const char *)failed.val.internal.ptr, -1};
    }
    return !has_failed;
}

const sandbeat_error *sandbeat_test_error(void) {
    return has_failed ? &error : NULL;
}

const exports_sandbeat_collector_guest_contribution_t *sandbeat_test_contribution(void) {
    return &contribution;
}

static bool is(const collector_string_t *string, const char *text) {
    return string->len == strlen(text) && memcmp(string->ptr, text, string->len) == 0;
}

static const sandbeat_collector_types_metric_t *point(const char *metric) {
    for (size_t i = 0; i < contribution.metrics.len; i++) {
        if (is(&contribution.metrics.ptr[i].name, metric)) {
            return &contribution.metrics.ptr[i];
        }
    }
    return NULL;
}

double sandbeat_test_value(const char *metric) {
    const sandbeat_collector_types_metric_t *found = point(metric);
    if (found == NULL || found->value.tag == SANDBEAT_COLLECTOR_TYPES_VALUE_HISTOGRAM) {
        return NAN;
    }
    return found->value.tag == SANDBEAT_COLLECTOR_TYPES_VALUE_GAUGE ? found->value.val.gauge
                                                                    : found->value.val.counter;
}

const sandbeat_collector_types_histogram_t *sandbeat_test_histogram(const char *metric) {
    const sandbeat_collector_types_metric_t *found = point(metric);
    bool is_one = found != NULL && found->value.tag == SANDBEAT_COLLECTOR_TYPES_VALUE_HISTOGRAM;
    return is_one ? &found->value.val.histogram : NULL;
}

const char *sandbeat_test_attribute(const char *metric, const char *key) {
    const sandbeat_collector_types_metric_t *found = point(metric);
    for (size_t i = 0; found != NULL && i < found->attributes.len; i++) {
        if (is(&found->attributes.ptr[i].key, key)) {
            return (const char *)found->attributes.ptr[i].value.ptr;
        }
    }
    return NULL;
}

const char *sandbeat_test_metadata(const char *key) {
    for (size_t i = 0; i < contribution.metadata.len; i++) {
        if (is(&contribution.metadata.ptr[i].key, key)) {
            return (const char *)contribution.metadata.ptr[i].value.ptr;
        }
    }
    return NULL;
}

size_t sandbeat_test_lines(sandbeat_collector_log_level_t least) {
    size_t count = 0;
    for (const line *one = lines; one != NULL; one = one->next) {
        count += one->level >= least;
    }
    return count;
}

const char *sandbeat_test_last_line(void) {
    return lines == NULL ? "" : lines->text;
}

// --- The imports ---

static void give(const void *data, size_t length, collector_list_u8_t *ret) {
    // The bindings allocate nothing for what is empty, and no byte more than there are.
    *ret = (collector_list_u8_t){NULL, length};
    if (length > 0) {
        ret->ptr = memcpy(allocate(length), data, length);
    }
}

static void give_text(const char *text, size_t length, collector_string_t *ret) {
    collector_list_u8_t given;
    give(text, length, &given);
    *ret = (collector_string_t){given.ptr, given.len};
}

void sandbeat_collector_log_write(sandbeat_collector_log_level_t level, collector_string_t *message) {
    line *written = allocate(sizeof(*written));
    *written = (line){lines, level, (char *)copy(message->ptr, message->len)};
    lines = written;
}

void sandbeat_collector_config_json(collector_string_t *ret) {
    const char *json = config == NULL ? "{}" : config;
    give_text(json, strlen(json), ret);
}

bool sandbeat_collector_config_get(collector_string_t *key, collector_string_t *ret) {
    const char *asked = (const char *)sandbeat_copy(key->ptr, key->len);
    const char *value = sandbeat_json_find(config == NULL ? "{}" : config, asked);
    if (value == NULL) {
        return false;
    }
    size_t length;
    const char *shown = sandbeat_json_show(value, &length);
    give_text(shown, length, ret);
    return true;
}

bool sandbeat_collector_state_get(collector_string_t *key, collector_list_u8_t *ret) {
    const named *kept = find(state, (const char *)key->ptr, key->len);
    if (kept == NULL || kept->data == NULL) {
        return false;
    }
    give(kept->data, kept->length, ret);
    return true;
}

bool sandbeat_collector_state_set(collector_string_t *key, collector_list_u8_t *value,
                                  sandbeat_collector_state_state_error_t *err) {
    if (key->len == 0 || key->len > KEY_LIMIT) {
        err->tag = SANDBEAT_COLLECTOR_STATE_STATE_ERROR_BAD_KEY;
        return false;
    }
    const named *before = find(state, (const char *)key->ptr, key->len);
    size_t size = key->len + value->len;
    for (const named *other = state; other != NULL; other = other->next) {
        size += other == before || other->data == NULL ? 0 : strlen(other->name) + other->length;
    }
    if (size > limits.state) {
        *err = (sandbeat_collector_state_state_error_t){SANDBEAT_COLLECTOR_STATE_STATE_ERROR_FULL, {limits.state}};
        return false;
    }
    put(&state, (const char *)key->ptr, key->len, value->len > 0 ? value->ptr : (const uint8_t *)"", value->len);
    return true;
}

void sandbeat_collector_state_delete(collector_string_t *key) {
    if (find(state, (const char *)key->ptr, key->len) != NULL) {
        put(&state, (const char *)key->ptr, key->len, NULL, 0);
    }
}

static int by_bytes(const void *a, const void *b) {
    const collector_string_t *one = a, *other = b;
    size_t shorter = one->len < other->len ? one->len : other->len;
    int order = memcmp(one->ptr, other->ptr, shorter);
    return order != 0 ? order : (one->len > other->len) - (one->len < other->len);
}

void sandbeat_collector_state_keys(collector_list_string_t *ret) {
    size_t most = 0;
    for (const named *kept = state; kept != NULL; kept = kept->next) {
        most++;
    }
    *ret = (collector_list_string_t){allocate(most * sizeof(*ret->ptr)), 0};
    for (const named *kept = state; kept != NULL; kept = kept->next) {
        if (kept->data != NULL) {
            give_text(kept->name, strlen(kept->name), &ret->ptr[ret->len++]);
        }
    }
    qsort(ret->ptr, ret->len, sizeof(*ret->ptr), by_bytes);
}

void collector_list_string_free(collector_list_string_t *list) {
    for (size_t i = 0; i < list->len; i++) {
        free(list->ptr[i].ptr);
    }
    free(list->ptr);
    *list = (collector_list_string_t){NULL, 0};
}

void sandbeat_collector_limits_current(sandbeat_collector_limits_limits_t *ret) {
    *ret = limits;
}

// What of the path is below a folder; null when it is elsewhere, or nothing is there.
static const char *below(const char *directory, size_t length, const named *file) {
    bool is_root = length == 1 && directory[0] == '/';
    size_t prefix = is_root ? 0 : length;
    bool is_below = file->data != NULL && strncmp(file->name, directory, prefix) == 0 && file->name[prefix] == '/';
    return is_below ? file->name + prefix + 1 : NULL;
}

static const named *look(collector_string_t *path, sandbeat_collector_files_file_error_t *err) {
    const named *file = find(files, (const char *)path->ptr, path->len);
    if (file != NULL && file->data != NULL) {
        return file;
    }
    err->tag = file == NULL ? SANDBEAT_COLLECTOR_FILES_FILE_ERROR_DENIED
                            : SANDBEAT_COLLECTOR_FILES_FILE_ERROR_NOT_FOUND;
    for (const named *other = files; other != NULL && file == NULL; other = other->next) {
        if (below((const char *)path->ptr, path->len, other) != NULL) {
            err->tag = SANDBEAT_COLLECTOR_FILES_FILE_ERROR_WRONG_TYPE;
        }
    }
    return NULL;
}

bool sandbeat_collector_files_stat(collector_string_t *path, sandbeat_collector_files_info_t *ret,
                                   sandbeat_collector_files_file_error_t *err) {
    const named *file = look(path, err);
    if (file == NULL && err->tag != SANDBEAT_COLLECTOR_FILES_FILE_ERROR_WRONG_TYPE) {
        return false;
    }
    *ret = (sandbeat_collector_files_info_t){
        .kind = file == NULL ? SANDBEAT_COLLECTOR_FILES_ENTRY_KIND_DIRECTORY
                             : SANDBEAT_COLLECTOR_FILES_ENTRY_KIND_FILE,
        .size = file == NULL ? 0 : file->length,
    };
    return true;
}

bool sandbeat_collector_files_read(collector_string_t *path, collector_list_u8_t *ret,
                                   sandbeat_collector_files_file_error_t *err) {
    const named *file = look(path, err);
    if (file == NULL) {
        return false;
    }
    if (file->length > READ_LIMIT) {
        err->tag = SANDBEAT_COLLECTOR_FILES_FILE_ERROR_TOO_LARGE;
        err->val.too_large = READ_LIMIT;
        return false;
    }
    give(file->data, file->length, ret);
    return true;
}

bool sandbeat_collector_files_read_at(collector_string_t *path, uint64_t offset, uint32_t length,
                                      collector_list_u8_t *ret, sandbeat_collector_files_file_error_t *err) {
    const named *file = look(path, err);
    if (file == NULL) {
        return false;
    }
    size_t from = offset < file->length ? (size_t)offset : file->length;
    size_t most = length < READ_LIMIT ? length : READ_LIMIT;
    size_t rest = file->length - from;
    give(file->data + from, rest < most ? rest : most, ret);
    return true;
}

static int by_name(const void *a, const void *b) {
    const sandbeat_collector_files_entry_t *one = a, *other = b;
    return by_bytes(&one->name, &other->name);
}

bool sandbeat_collector_files_list(collector_string_t *directory, sandbeat_collector_files_list_entry_t *ret,
                                   sandbeat_collector_files_file_error_t *err) {
    if (look(directory, err) != NULL) {
        err->tag = SANDBEAT_COLLECTOR_FILES_FILE_ERROR_WRONG_TYPE;
        return false;
    }
    if (err->tag != SANDBEAT_COLLECTOR_FILES_FILE_ERROR_WRONG_TYPE) {
        return false;
    }
    size_t most = 0;
    for (const named *file = files; file != NULL; file = file->next) {
        most++;
    }
    *ret = (sandbeat_collector_files_list_entry_t){allocate(most * sizeof(*ret->ptr)), 0};
    for (const named *file = files; file != NULL; file = file->next) {
        const char *rest = below((const char *)directory->ptr, directory->len, file);
        if (rest == NULL) {
            continue;
        }
        size_t length = strcspn(rest, "/");
        bool is_known = false;
        for (size_t i = 0; i < ret->len; i++) {
            is_known |= ret->ptr[i].name.len == length && memcmp(ret->ptr[i].name.ptr, rest, length) == 0;
        }
        if (!is_known) {
            sandbeat_collector_files_entry_t *entry = &ret->ptr[ret->len++];
            give_text(rest, length, &entry->name);
            entry->kind = rest[length] == '/' ? SANDBEAT_COLLECTOR_FILES_ENTRY_KIND_DIRECTORY
                                              : SANDBEAT_COLLECTOR_FILES_ENTRY_KIND_FILE;
        }
    }
    qsort(ret->ptr, ret->len, sizeof(*ret->ptr), by_name);
    return true;
}

void sandbeat_collector_files_list_entry_free(sandbeat_collector_files_list_entry_t *list) {
    for (size_t i = 0; i < list->len; i++) {
        free(list->ptr[i].name.ptr);
    }
    free(list->ptr);
    *list = (sandbeat_collector_files_list_entry_t){NULL, 0};
}
