/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whole conversations with fixed contents, in memory: the golden files are
 * what they write, and hostile tests change their bytes.
 */
#ifndef XLM_TESTS_STREAM_SCRIPT_H
#define XLM_TESTS_STREAM_SCRIPT_H

#include "stream/greeting.h"
#include "stream/record.h"

struct script_step {
    enum xlm_role by;
    uint32_t type; /* of the record that send() sends */
    int (*send)(struct xlm__stream *s);
};

struct script {
    const char *name; /* "control-hvm", "data-pv" */
    enum xlm__kind kind;
    uint64_t nr_pfns;
    bool pv;
    const struct script_step *steps;
    size_t nr_steps;
    const char *dump_as; /* domain type, for xlmdump */
    uint64_t features;   /* beside the codecs        */
};

extern const struct script scripts[];
extern const size_t nr_scripts;
const struct script *script_find(const char *name);

/* Of all scripts. */
#define SCRIPT_PFNS 0x1000u

/* stream_script_pages.c */
int script_pages_hvm(struct xlm__stream *s);
int script_pages_hvm_2(struct xlm__stream *s);
int script_pages_pv(struct xlm__stream *s);
int script_pages_runs(struct xlm__stream *s);
int script_zeros_hvm(struct xlm__stream *s);
int script_zeros_pv(struct xlm__stream *s);
int script_packed_lz4(struct xlm__stream *s);
int script_packed_zstd(struct xlm__stream *s);
int script_packed_delta(struct xlm__stream *s);
int script_packed_runs(struct xlm__stream *s);

/* stream_script_verify.c */
int script_verify(struct xlm__stream *s);
int script_spared(struct xlm__stream *s);
int script_sums(struct xlm__stream *s);
int script_ask(struct xlm__stream *s);
int script_hashes(struct xlm__stream *s);
int script_verified(struct xlm__stream *s);

struct bytes {
    uint8_t *data;
    size_t nr;
};
void bytes_free(struct bytes *b);
/* An anonymous file with these bytes, read position at its beginning. */
int bytes_fd(const uint8_t *data, size_t nr);

/* What the writer of one role writes, greeting included, while the other
 * answers.  0, or an error. */
int script_run(const struct script *sc, struct bytes *source_out,
               struct bytes *destination_out);

/*
 * Read bytes written by role `by` as the other side, which answers by the
 * script.  0 if all of it is right up to and including its end; the error
 * otherwise, with the message in text.  failures counts what was recorded.
 */
int script_read(const struct script *sc, enum xlm_role by, const uint8_t *data,
                size_t nr, char text[XLM_MESSAGE_MAX], unsigned *failures);

/* Where record i of a stream begins (0 = first after the greeting); 0 if there
 * is none.  Does not check anything. */
size_t record_at(const struct bytes *b, unsigned i);
/* ... the first record of that type. */
size_t record_of(const struct bytes *b, uint32_t type);
/* Make the CRC of the record at `at` right again. */
void record_fix(struct bytes *b, size_t at);

#endif /* XLM_TESTS_STREAM_SCRIPT_H */
