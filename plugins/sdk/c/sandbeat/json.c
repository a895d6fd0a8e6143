// Just enough JSON to find one value of the configuration and to know its type.

#include "internal.h"

#include <string.h>

static const char *skip_space(const char *at) {
    return at + strspn(at, " \t\r\n");
}

// Behind a string that begins here; null when it does not end.
static const char *skip_string(const char *at) {
    for (at++; *at != 0; at++) {
        if (*at == '"') {
            return at + 1;
        }
        if (*at == '\\' && *++at == 0) {
            break;
        }
    }
    return NULL;
}

// Behind a value that begins here; null when it does not end.
static const char *skip_value(const char *at) {
    size_t depth = 0;
    do {
        if (*at == 0) {
            return NULL;
        }
        if (*at == '"') {
            at = skip_string(at);
            if (at == NULL) {
                return NULL;
            }
            continue;
        }
        if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            depth--;
        } else if (depth == 0) {
            // A number, or a word.
            return at + strcspn(at, ",]} \t\r\n");
        }
        at++;
    } while (depth > 0);
    return at;
}

bool sandbeat_json_next(const char *object, const char **name, size_t *length, const char **value) {
    bool is_first = *value == NULL;
    const char *at = is_first ? object : skip_value(*value);
    if (at == NULL || *(at = skip_space(at)) != (is_first ? '{' : ',') || *(at = skip_space(at + 1)) != '"') {
        return false;
    }
    *name = sandbeat_json_show(at, length);
    at = skip_string(at);
    if (at == NULL || *(at = skip_space(at)) != ':') {
        return false;
    }
    *value = skip_space(at + 1);
    return true;
}

// The value under one key of an object; null when there is none.
static const char *member(const char *object, const char *key, size_t length) {
    const char *name, *value = NULL;
    size_t found;
    while (sandbeat_json_next(object, &name, &found, &value)) {
        if (found == length && memcmp(name, key, length) == 0) {
            return value;
        }
    }
    return NULL;
}

const char *sandbeat_json_find(const char *json, const char *key) {
    const char *at = skip_space(json);
    while (at != NULL) {
        size_t part = strcspn(key, ".");
        at = member(at, key, part);
        if (key[part] == 0) {
            return at;
        }
        key += part + 1;
    }
    return NULL;
}

static bool code_unit(const char *at, uint32_t *unit) {
    *unit = 0;
    for (size_t i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef";
        char lower = at[i] >= 'A' && at[i] <= 'F' ? (char)(at[i] + ('a' - 'A')) : at[i];
        const char *digit = lower == 0 ? NULL : strchr(digits, lower);
        if (digit == NULL) {
            return false;
        }
        *unit = *unit * 16 + (uint32_t)(digit - digits);
    }
    return true;
}

static char *put_utf8(char *to, uint32_t c) {
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t heads[] = {0, 0xc0, 0xe0, 0xf0};
    *to++ = (char)(heads[more] | c >> (6 * more));
    while (more-- > 0) {
        *to++ = (char)(0x80 | ((c >> (6 * more)) & 0x3f));
    }
    return to;
}

// What an escape stands for; returns behind it. A half of a surrogate pair is U+FFFD.
static const char *unescape(const char *at, char **to) {
    static const char from[] = "bfnrt", into[] = "\b\f\n\r\t";
    const char *known = strchr(from, *at);
    if (*at != 'u') {
        *(*to)++ = known != NULL ? into[known - from] : *at;
        return at + 1;
    }
    uint32_t unit, low;
    if (!code_unit(at + 1, &unit)) {
        *(*to)++ = *at;
        return at + 1;
    }
    at += 5;
    bool is_half = unit >= 0xd800 && unit < 0xe000;
    if (unit < 0xdc00 && is_half && at[0] == '\\' && at[1] == 'u' && code_unit(at + 2, &low) && low >= 0xdc00 &&
        low < 0xe000) {
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
        is_half = false;
        at += 6;
    }
    *to = put_utf8(*to, is_half ? 0xfffd : unit);
    return at;
}

const char *sandbeat_json_show(const char *value, size_t *length) {
    const char *end = skip_value(value);
    if (end == NULL) {
        end = value + strlen(value);
    }
    // An escape is never shorter than what it stands for.
    char *text = (char *)sandbeat_copy(value, (size_t)(end - value));
    if (*value != '"') {
        *length = (size_t)(end - value);
        return text;
    }
    char *to = text;
    const char *at = value + 1;
    while (at < end && *at != '"') {
        if (*at == '\\') {
            at = unescape(at + 1, &to);
        } else {
            *to++ = *at++;
        }
    }
    *to = 0;
    *length = (size_t)(to - text);
    return text;
}
