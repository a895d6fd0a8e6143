// Memory of the call, and text in it.
//
// What the SDK hands to a collector lives in a list of blocks that is freed as a whole when the host has taken the
// answer. So an answer can point into constants and into other parts of itself, and an error return leaks nothing.
// Natively a test ends the call. Out of memory is a trap.

#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct block {
    struct block *next;
    // Memory that `malloc` gave to someone else; null when the block's own follows.
    void *adopted;
    // So that what follows is aligned for anything.
    _Alignas(max_align_t) uint8_t own[];
} block;

static block *blocks;

static block *new_block(size_t size) {
    if (size > SIZE_MAX - sizeof(block)) {
        abort();
    }
    block *made = calloc(1, sizeof(block) + size);
    if (made == NULL) {
        abort();
    }
    made->next = blocks;
    blocks = made;
    return made;
}

void *sandbeat_alloc(size_t size) {
    return new_block(size)->own;
}

void sandbeat_end_call(void) {
    while (blocks != NULL) {
        block *next = blocks->next;
        free(blocks->adopted);
        free(blocks);
        blocks = next;
    }
}

uint8_t *sandbeat_copy(const void *data, size_t length) {
    if (length == SIZE_MAX) {
        abort();
    }
    uint8_t *copy = sandbeat_alloc(length + 1);
    if (length > 0) {
        memcpy(copy, data, length);
    }
    return copy;
}

const uint8_t *sandbeat_adopt(uint8_t *data, size_t length) {
    if (length == 0) {
        // Nothing was allocated for it.
        return (const uint8_t *)"";
    }
    uint8_t *ended = realloc(data, length + 1);
    if (ended == NULL) {
        abort();
    }
    ended[length] = 0;
    new_block(0)->adopted = ended;
    return ended;
}

void *sandbeat_grow(void *items, size_t length, size_t item) {
    // The room is the smallest power of two that is not below the length, and four at least.
    const size_t least = 4;
    bool is_full = length == 0 || (length >= least && (length & (length - 1)) == 0);
    if (!is_full) {
        return items;
    }
    size_t room = length == 0 ? least : length * 2;
    if (room < length || room > SIZE_MAX / item) {
        abort();
    }
    void *grown = sandbeat_alloc(room * item);
    if (length > 0) {
        memcpy(grown, items, length * item);
    }
    return grown;
}

char *sandbeat_vformat(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length < 0) {
        abort();
    }
    char *text = sandbeat_alloc((size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

const char *sandbeat_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const char *text = sandbeat_vformat(format, arguments);
    va_end(arguments);
    return text;
}

// The bytes of the UTF-8 character that begins here; 0 when none does, or it is the zero byte. RFC 3629, section 4.
static size_t character(const uint8_t *at, const uint8_t *end) {
    uint8_t first = at[0];
    if (first < 0x80) {
        return first != 0;
    }
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || (size_t)(end - at) < length) {
        return 0;
    }
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

bool sandbeat_is_text(const uint8_t *data, size_t length) {
    const uint8_t *end = data + length;
    while (data < end) {
        size_t next = character(data, end);
        if (next == 0) {
            return false;
        }
        data += next;
    }
    return true;
}

collector_string_t sandbeat_text(const char *text) {
    const char *given = text == NULL ? "" : text;
    size_t length = strlen(given);
    if (sandbeat_is_text((const uint8_t *)given, length)) {
        // The bindings only read what they are given.
        return (collector_string_t){(uint8_t *)given, length};
    }
    static const uint8_t replacement[3] = {0xef, 0xbf, 0xbd};
    if (length > SIZE_MAX / sizeof(replacement)) {
        abort();
    }
    const uint8_t *from = (const uint8_t *)given, *end = from + length;
    uint8_t *made = sandbeat_alloc(length * sizeof(replacement)), *to = made;
    while (from < end) {
        size_t next = character(from, end);
        memcpy(to, next > 0 ? from : replacement, next > 0 ? next : sizeof(replacement));
        to += next > 0 ? next : sizeof(replacement);
        from += next > 0 ? next : 1;
    }
    return (collector_string_t){made, (size_t)(to - made)};
}

collector_string_t sandbeat_text_copy(const char *text) {
    collector_string_t string = sandbeat_text(text);
    if (string.ptr != (const uint8_t *)text) {
        return string;
    }
    return (collector_string_t){sandbeat_copy(string.ptr, string.len), string.len};
}

bool sandbeat_parse_u64(const char *text, uint64_t *value) {
    const char *space = " \t\n\v\f\r";
    text += strspn(text, space);
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits + strspn(text + digits, space)] != 0) {
        return false;
    }
    uint64_t parsed = 0;
    for (size_t i = 0; i < digits; i++) {
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (parsed > (UINT64_MAX - digit) / 10) {
            return false;
        }
        parsed = parsed * 10 + digit;
    }
    *value = parsed;
    return true;
}
