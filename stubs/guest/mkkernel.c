/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes the image that stands for a guest's kernel: an ELF file with the notes
 * by which domain builders know PV and PVH kernels, and one page of halted CPU.
 * What a kernel does is done by simxen-guest.
 */
#include "config.h"

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <xen/elfnote.h>

#define VIRT_BASE   0xffffffff80000000ULL
#define LOAD_AT     0x100000ULL /* 1 MiB */
#define CODE_OFFSET 0x1000u
#define HYPERCALLS  (VIRT_BASE + LOAD_AT + 0x1000)
#define IMAGE_BYTES 0x2000u /* code, and the hypercall page */

struct image {
    Elf64_Ehdr head;
    Elf64_Phdr part[2];
    unsigned char
        notes[CODE_OFFSET - sizeof(Elf64_Ehdr) - 2 * sizeof(Elf64_Phdr)];
    unsigned char code[IMAGE_BYTES];
};

static size_t add_note(unsigned char *at, unsigned type, const void *data,
                       size_t bytes)
{
    const Elf64_Nhdr n = { .n_namesz = 4, .n_descsz = bytes, .n_type = type };

    memcpy(at, &n, sizeof(n));
    memcpy(at + sizeof(n), "Xen", 4);
    memcpy(at + sizeof(n) + 4, data, bytes);
    return sizeof(n) + 4 + (bytes + 3) / 4 * 4;
}

static size_t add_text(unsigned char *at, unsigned type, const char *text)
{
    return add_note(at, type, text, strlen(text) + 1);
}

static size_t add_number(unsigned char *at, unsigned type,
                         unsigned long long value)
{
    return add_note(at, type, &value, sizeof(value));
}

static size_t add_notes(unsigned char *at)
{
    const unsigned char *begin = at;

    at += add_text(at, XEN_ELFNOTE_GUEST_OS, "simxen");
    at += add_text(at, XEN_ELFNOTE_GUEST_VERSION, "1");
    at += add_text(at, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    at += add_text(at, XEN_ELFNOTE_LOADER, "generic");
    at += add_text(at, XEN_ELFNOTE_PAE_MODE, "yes");
    at += add_number(at, XEN_ELFNOTE_VIRT_BASE, VIRT_BASE);
    at += add_number(at, XEN_ELFNOTE_PADDR_OFFSET, 0);
    at += add_number(at, XEN_ELFNOTE_ENTRY, VIRT_BASE + LOAD_AT);
    at += add_number(at, XEN_ELFNOTE_HYPERCALL_PAGE, HYPERCALLS);
    at += add_number(at, XEN_ELFNOTE_SUSPEND_CANCEL, 1);
    at += add_number(at, XEN_ELFNOTE_PHYS32_ENTRY, LOAD_AT);
    return at - begin;
}

static void fill(struct image *im)
{
    const size_t notes = add_notes(im->notes);

    memcpy(im->head.e_ident, ELFMAG, SELFMAG);
    im->head.e_ident[EI_CLASS] = ELFCLASS64;
    im->head.e_ident[EI_DATA] = ELFDATA2LSB;
    im->head.e_ident[EI_VERSION] = EV_CURRENT;
    im->head.e_type = ET_EXEC;
    im->head.e_machine = EM_X86_64;
    im->head.e_version = EV_CURRENT;
    im->head.e_entry = LOAD_AT;
    im->head.e_phoff = offsetof(struct image, part);
    im->head.e_ehsize = sizeof(Elf64_Ehdr);
    im->head.e_phentsize = sizeof(Elf64_Phdr);
    im->head.e_phnum = 2;
    im->head.e_shentsize = sizeof(Elf64_Shdr);
    im->part[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
                                .p_flags = PF_R | PF_W | PF_X,
                                .p_offset = CODE_OFFSET,
                                .p_vaddr = VIRT_BASE + LOAD_AT,
                                .p_paddr = LOAD_AT,
                                .p_filesz = IMAGE_BYTES,
                                .p_memsz = IMAGE_BYTES,
                                .p_align = 0x1000 };
    im->part[1] = (Elf64_Phdr){ .p_type = PT_NOTE,
                                .p_flags = PF_R,
                                .p_offset = offsetof(struct image, notes),
                                .p_filesz = notes,
                                .p_memsz = notes,
                                .p_align = 4 };
    memset(im->code, 0xf4, IMAGE_BYTES); /* hlt */
}

int main(int argc, char **argv)
{
    static struct image im;
    FILE *f = argc == 2 ? fopen(argv[1], "wbe") : NULL;
    bool ok;

    if (!f) {
        fprintf(stderr, "usage: mkkernel FILE\n");
        return 1;
    }
    fill(&im);
    ok = fwrite(&im, sizeof(im), 1, f) == 1;
    return fclose(f) || !ok;
}
