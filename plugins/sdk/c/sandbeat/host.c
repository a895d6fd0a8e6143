// What a collector asks of the agent: files, configuration, state and the log, and the errors that come of it.

#include "internal.h"

#include <stdlib.h>
#include <string.h>

static sandbeat_result make_error(sandbeat_error_kind kind, const char *text, int file) {
    sandbeat_error *made = sandbeat_alloc(sizeof(*made));
    *made = (sandbeat_error){kind, text, file};
    return made;
}

// A formatted error of one kind, in a function that ends with `format, ...`.
#define RETURN_ERROR(kind)                                                                                             \
    do {                                                                                                               \
        va_list arguments;                                                                                             \
        va_start(arguments, format);                                                                                   \
        const char *text = sandbeat_vformat(format, arguments);                                                        \
        va_end(arguments);                                                                                             \
        return make_error(kind, text, -1);                                                                             \
    } while (0)

sandbeat_result sandbeat_denied(const char *format, ...) {
    RETURN_ERROR(SANDBEAT_DENIED);
}

sandbeat_result sandbeat_unavailable(const char *format, ...) {
    RETURN_ERROR(SANDBEAT_UNAVAILABLE);
}

sandbeat_result sandbeat_internal(const char *format, ...) {
    RETURN_ERROR(SANDBEAT_INTERNAL);
}

sandbeat_result sandbeat_config_error(const char *key, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *why = sandbeat_vformat(format, arguments);
    va_end(arguments);
    return make_error(SANDBEAT_CONFIG, sandbeat_format("`%s` %s", key, why), -1);
}

// --- Files ---

static sandbeat_result file_error(const char *path, const sandbeat_collector_files_file_error_t *error) {
    int file = error->tag;
    switch (error->tag) {
    case SANDBEAT_COLLECTOR_FILES_FILE_ERROR_DENIED:
        return make_error(
            SANDBEAT_DENIED,
            sandbeat_format("`%s` is not granted; add it to `read` under `[grant]` in the sidecar", path), file);
    case SANDBEAT_COLLECTOR_FILES_FILE_ERROR_NOT_FOUND:
        return make_error(SANDBEAT_UNAVAILABLE, sandbeat_format("`%s` is not there", path), file);
    case SANDBEAT_COLLECTOR_FILES_FILE_ERROR_WRONG_TYPE:
        return make_error(SANDBEAT_UNAVAILABLE,
                          sandbeat_format("`%s` is not the kind of file that it should be", path), file);
    case SANDBEAT_COLLECTOR_FILES_FILE_ERROR_TOO_LARGE:
        return make_error(SANDBEAT_UNAVAILABLE,
                          sandbeat_format("`%s` has more than %llu bytes or entries", path,
                                          (unsigned long long)error->val.too_large),
                          file);
    default: {
        const uint8_t *words = sandbeat_adopt(error->val.io.ptr, error->val.io.len);
        return make_error(SANDBEAT_UNAVAILABLE, sandbeat_format("`%s`: %s", path, (const char *)words), file);
    }
    }
}

static sandbeat_bytes adopt(collector_list_u8_t given) {
    return (sandbeat_bytes){sandbeat_adopt(given.ptr, given.len), given.len};
}

sandbeat_result sandbeat_read(const char *path, sandbeat_bytes *content) {
    collector_string_t asked = sandbeat_text(path);
    collector_list_u8_t given;
    sandbeat_collector_files_file_error_t error;
    if (!sandbeat_collector_files_read(&asked, &given, &error)) {
        return file_error(path, &error);
    }
    *content = adopt(given);
    return SANDBEAT_OK;
}

sandbeat_result sandbeat_read_text(const char *path, const char **text) {
    sandbeat_bytes content;
    SANDBEAT_TRY(sandbeat_read(path, &content));
    if (!sandbeat_is_text(content.data, content.length)) {
        return sandbeat_internal("`%s` is not text in UTF-8", path);
    }
    *text = (const char *)content.data;
    return SANDBEAT_OK;
}

sandbeat_result sandbeat_read_at(const char *path, uint64_t offset, uint32_t length, sandbeat_bytes *content) {
    collector_string_t asked = sandbeat_text(path);
    collector_list_u8_t given;
    sandbeat_collector_files_file_error_t error;
    if (!sandbeat_collector_files_read_at(&asked, offset, length, &given, &error)) {
        return file_error(path, &error);
    }
    *content = adopt(given);
    return SANDBEAT_OK;
}

sandbeat_result sandbeat_stat(const char *path, sandbeat_collector_files_info_t *info) {
    collector_string_t asked = sandbeat_text(path);
    sandbeat_collector_files_file_error_t error;
    return sandbeat_collector_files_stat(&asked, info, &error) ? SANDBEAT_OK : file_error(path, &error);
}

sandbeat_result sandbeat_list(const char *directory, const sandbeat_entry **entries, size_t *count) {
    collector_string_t asked = sandbeat_text(directory);
    sandbeat_collector_files_list_entry_t given;
    sandbeat_collector_files_file_error_t error;
    if (!sandbeat_collector_files_list(&asked, &given, &error)) {
        return file_error(directory, &error);
    }
    sandbeat_entry *made = sandbeat_alloc(given.len * sizeof(*made));
    for (size_t i = 0; i < given.len; i++) {
        const collector_string_t *name = &given.ptr[i].name;
        made[i] = (sandbeat_entry){(const char *)sandbeat_copy(name->ptr, name->len), given.ptr[i].kind};
    }
    *entries = made;
    *count = given.len;
    sandbeat_collector_files_list_entry_free(&given);
    return SANDBEAT_OK;
}

// --- Configuration ---

const char *sandbeat_config_json(void) {
    collector_string_t json;
    sandbeat_collector_config_json(&json);
    return (const char *)sandbeat_adopt(json.ptr, json.len);
}

// The value under a key, at its first character; null when it is absent.
static const char *setting(const char *key) {
    return sandbeat_json_find(sandbeat_config_json(), key);
}

static sandbeat_result wrong_type(const char *key, const char *value, const char *wanted) {
    size_t length;
    const char *shown = sandbeat_json_show(value, &length);
    const char *quote = *value == '"' ? "\"" : "";
    return sandbeat_config_error(key, "is %s%s%s; it has to be %s", quote, shown, quote, wanted);
}

// Longer words are near none, in bytes.
#define MOST_LETTERS 64

static size_t least_of(size_t one, size_t other) {
    return one < other ? one : other;
}

// How many letters have to be added, left out, changed or swapped with the next one.
static size_t distance(const char *word, size_t length, const char *other, size_t width) {
    size_t rows[3][MOST_LETTERS + 1];
    for (size_t j = 0; j <= width; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= length; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3], *higher = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t changed = above[j - 1] + (word[i - 1] != other[j - 1]);
            row[j] = least_of(changed, least_of(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && word[i - 1] == other[j - 2] && word[i - 2] == other[j - 1]) {
                row[j] = least_of(row[j], higher[j - 2] + 1);
            }
        }
    }
    return rows[length % 3][width];
}

// The name in the table under `above` that is nearest to a misspelt one, if one is near enough to be meant; else null.
static const char *nearest(const char *above, const char *name, const char *const *known) {
    const char *meant = NULL;
    size_t length = strlen(name), least = SIZE_MAX;
    for (; *known != NULL && length <= MOST_LETTERS; known++) {
        if (strncmp(*known, above, strlen(above)) != 0) {
            continue;
        }
        const char *other = *known + strlen(above);
        size_t width = strcspn(other, ".");
        size_t far = width <= MOST_LETTERS ? distance(name, length, other, width) : SIZE_MAX;
        if (far < least && far <= (length > width ? length : width) / 3 + 1) {
            least = far;
            meant = sandbeat_format("%.*s", (int)width, other);
        }
    }
    return meant;
}

static sandbeat_result unknown(const char *above, const char *name, const char *const *known) {
    const char *quote = *name == '\0' || strchr(name, '.') != NULL ? "\"" : "";
    const char *key = sandbeat_format("%s%s%s%s", above, quote, name, quote);
    if (*known == NULL) {
        return sandbeat_config_error(key, "is an unknown key; this collector has none");
    }
    const char *near = nearest(above, name, known);
    const char *meant = near == NULL ? "" : sandbeat_format("did you mean `%s%s`? ", above, near);
    const char *list = *known;
    while (*++known != NULL) {
        list = sandbeat_format("%s, %s", list, *known);
    }
    return sandbeat_config_error(key, "is an unknown key; %sknown here: %s", meant, list);
}

// Of the table under `above`, which is empty or ends with a dot.
static sandbeat_result refuse_others(const char *table, const char *above, const char *const *known) {
    const char *name, *value = NULL;
    size_t length;
    while (sandbeat_json_next(table, &name, &length, &value)) {
        const char *key = sandbeat_format("%s%s", above, name), *below = sandbeat_format("%s.", key);
        bool is_known = false, is_table = false;
        for (size_t i = 0; known[i] != NULL; i++) {
            is_known |= strcmp(known[i], key) == 0;
            is_table |= strncmp(known[i], below, strlen(below)) == 0;
        }
        // A name with a dot in it is no path, and one with a zero byte is longer than it seems.
        if (strchr(name, '.') != NULL || strlen(name) != length || !(is_known || is_table)) {
            return unknown(above, name, known);
        }
        if (is_known) {
            continue;
        }
        if (*value != '{') {
            return wrong_type(key, value, "a table");
        }
        SANDBEAT_TRY(refuse_others(value, below, known));
    }
    return SANDBEAT_OK;
}

sandbeat_result sandbeat_config_only(const char *const *known) {
    return refuse_others(sandbeat_config_json(), "", known);
}

sandbeat_result sandbeat_config_string(const char *key, const char **value) {
    const char *found = setting(key);
    if (found == NULL) {
        return SANDBEAT_OK;
    }
    if (*found != '"') {
        return wrong_type(key, found, "a string");
    }
    size_t length;
    const char *text = sandbeat_json_show(found, &length);
    if (strlen(text) != length) {
        return sandbeat_config_error(key, "has a zero byte in it");
    }
    *value = text;
    return SANDBEAT_OK;
}

sandbeat_result sandbeat_config_bool(const char *key, bool *value) {
    const char *found = setting(key);
    if (found == NULL) {
        return SANDBEAT_OK;
    }
    if (*found != 't' && *found != 'f') {
        return wrong_type(key, found, "`true` or `false`");
    }
    *value = *found == 't';
    return SANDBEAT_OK;
}

sandbeat_result sandbeat_config_integer(const char *key, int64_t *value) {
    const char *found = setting(key);
    if (found == NULL) {
        return SANDBEAT_OK;
    }
    bool is_negative = *found == '-';
    const char *digits = found + is_negative;
    size_t length = strspn(digits, "0123456789");
    uint64_t size = 0;
    bool is_integer = length > 0 && strspn(digits, "0123456789.eE+-") == length &&
                      sandbeat_parse_u64(sandbeat_format("%.*s", (int)length, digits), &size) &&
                      size <= (uint64_t)INT64_MAX + is_negative;
    if (!is_integer) {
        return wrong_type(key, found, "an integer");
    }
    *value = is_negative ? (int64_t)(0 - size) : (int64_t)size;
    return SANDBEAT_OK;
}

sandbeat_result sandbeat_config_number(const char *key, double *value) {
    const char *found = setting(key);
    if (found == NULL) {
        return SANDBEAT_OK;
    }
    if (*found != '-' && (*found < '0' || *found > '9')) {
        return wrong_type(key, found, "a number");
    }
    *value = strtod(found, NULL);
    return SANDBEAT_OK;
}

// --- State ---

bool sandbeat_state_bytes(const char *key, sandbeat_bytes *value) {
    collector_string_t asked = sandbeat_text(key);
    collector_list_u8_t given;
    if (!sandbeat_collector_state_get(&asked, &given)) {
        return false;
    }
    *value = adopt(given);
    return true;
}

bool sandbeat_state_get(const char *key, void *value, size_t size) {
    sandbeat_bytes kept;
    if (!sandbeat_state_bytes(key, &kept) || kept.length != size) {
        return false;
    }
    memcpy(value, kept.data, size);
    return true;
}

sandbeat_result sandbeat_state_set(const char *key, const void *value, size_t size) {
    collector_string_t asked = sandbeat_text(key);
    // The bindings only read what they are given.
    collector_list_u8_t given = {(uint8_t *)value, size};
    sandbeat_collector_state_state_error_t error;
    if (sandbeat_collector_state_set(&asked, &given, &error)) {
        return SANDBEAT_OK;
    }
    if (error.tag == SANDBEAT_COLLECTOR_STATE_STATE_ERROR_FULL) {
        return sandbeat_internal("the state would pass %llu bytes", (unsigned long long)error.val.full);
    }
    return sandbeat_internal("a key of the state is empty or longer than 128 bytes");
}

void sandbeat_state_delete(const char *key) {
    collector_string_t asked = sandbeat_text(key);
    sandbeat_collector_state_delete(&asked);
}

void sandbeat_state_keys(const char *const **keys, size_t *count) {
    collector_list_string_t given;
    sandbeat_collector_state_keys(&given);
    const char **made = sandbeat_alloc(given.len * sizeof(*made));
    for (size_t i = 0; i < given.len; i++) {
        made[i] = (const char *)sandbeat_copy(given.ptr[i].ptr, given.ptr[i].len);
    }
    *keys = made;
    *count = given.len;
    collector_list_string_free(&given);
}

// --- Log ---

void sandbeat_log(sandbeat_collector_log_level_t level, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    collector_string_t line = sandbeat_text(sandbeat_vformat(format, arguments));
    va_end(arguments);
    sandbeat_collector_log_write(level, &line);
}
