/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One ELF file: opening it, its segments, its unwind table, its separate debug file.  Everything is
 * loaded when first asked for and kept until the file is freed.
 *
 * The files belong to whoever wrote them and may be cut short while they are read: they are read,
 * never mapped (a mapped file that shrinks is a SIGBUS), and what does not parse counts as absent.
 * Separate debug files are looked for on this machine only (by build id, then by debug link), in
 * the places where distributions put them; the debuginfod client is never called: no network.
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>
#include "symbols/symbols_int.h"

#if defined(__x86_64__)
#define NATIVE_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define NATIVE_MACHINE EM_AARCH64
#else
#define NATIVE_MACHINE EM_NONE
#endif

#define BUILD_ID_MAX 64
#define NOTE_BYTES_MAX (64u << 10)

struct build_id {
	u8 bytes[BUILD_ID_MAX];
	size_t len; /* 0: the file has none */
};

/* ---- opening ---- */

static void fill_id(struct ct_file_id *id, const struct stat *st)
{
	*id = (struct ct_file_id){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (u64)st->st_size,
		.mtime_ns = (u64)st->st_mtim.tv_sec * 1000000000ull + (u64)st->st_mtim.tv_nsec,
	};
}

int ct_open_regular(const char *path, struct ct_file_id *id)
{
	char self[48];
	struct stat st;
	int handle = open(path, O_PATH | O_CLOEXEC);
	if (handle < 0)
		return -errno;
	if (fstat(handle, &st) || !S_ISREG(st.st_mode)) {
		close(handle);
		return -EINVAL;
	}
	fill_id(id, &st);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", handle);
	/* O_NONBLOCK: a lease on the file (fcntl(2)) would keep us waiting for 45 s */
	int fd = open(self, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int err = fd < 0 ? -errno : fd;
	close(handle);
	return err;
}

struct ct_elf *ct_elf__new(const char *path, const char *debug_root)
{
	struct ct_elf *f = ct_alloc(sizeof(*f));
	f->path = ct_strdup(path);
	f->debug_root = debug_root;
	f->fd = f->debug_fd = -1;
	return f;
}

/* The kernel maps the same vdso into every process, so ours stands for all. */
struct ct_elf *ct_elf__new_vdso(const char *debug_root)
{
	struct ct_elf *f = ct_elf__new("[vdso]", debug_root);
	/* trusted: the kernel's */
	const ElfW(Ehdr) *ehdr = (const void *)getauxval(AT_SYSINFO_EHDR);
	if (!ehdr)
		return f;
	size_t size = ehdr->e_shoff + (size_t)ehdr->e_shnum * ehdr->e_shentsize;
	const ElfW(Phdr) *phdr = (const void *)((const char *)ehdr + ehdr->e_phoff);
	for (int i = 0; i < ehdr->e_phnum; i++)
		if (phdr[i].p_offset + phdr[i].p_filesz > size)
			size = phdr[i].p_offset + phdr[i].p_filesz;
	f->image = ct_alloc(size);
	f->image_size = size;
	memcpy(f->image, ehdr, size);
	return f;
}

void ct_elf__free(struct ct_elf *f)
{
	if (!f)
		return;
	ct_call_sites__free(f->calls);
	ct_elf_vars__free(f->vars);
	ct_dwarf__free(f->dwarf);
	ct_elf_syms__free(f->syms);
	if (f->cfi)
		dwarf_cfi_end(f->cfi);
	if (f->dbg)
		dwarf_end(f->dbg);
	if (f->debug_elf)
		elf_end(f->debug_elf);
	if (f->elf)
		elf_end(f->elf);
	if (f->debug_fd >= 0)
		close(f->debug_fd);
	if (f->fd >= 0)
		close(f->fd);
	ct_vec_free(&f->segs);
	free(f->image);
	free(f->path);
	free(f);
}

/* ---- loading ---- */

static bool same_id(const struct ct_file_id *a, const struct ct_file_id *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
		a->mtime_ns == b->mtime_ns;
}

/* A file that was not held open may have been replaced since: then it is not the one that ran. */
static void open_again(struct ct_elf *f)
{
	struct ct_file_id now;
	if (f->fd >= 0 || !f->has_id)
		return;
	f->fd = ct_open_regular(f->path, &now);
	if (f->fd >= 0 && !same_id(&now, &f->id)) {
		close(f->fd);
		f->fd = -1;
	}
}

static Elf *begin_elf(int fd)
{
	elf_version(EV_CURRENT);
	Elf *elf = elf_begin(fd, ELF_C_READ, NULL);
	if (elf && elf_kind(elf) == ELF_K_ELF)
		return elf;
	if (elf)
		elf_end(elf);
	return NULL;
}

/* Those that libelf reads whole for names and unwinding.  They do not fit where *total is
 * UINT64_MAX; *frames: there is an .eh_frame among them. */
static void add_table(Elf *elf, size_t strings, const GElf_Shdr *shdr, u64 *total, bool *frames)
{
	const char *name = "";
	if (shdr->sh_type == SHT_NOBITS)
		return;
	if (shdr->sh_type == SHT_PROGBITS) {
		name = elf_strptr(elf, strings, shdr->sh_name);
		if (!name || (strncmp(name, ".eh_frame", 9) && strcmp(name, ".gnu_debuglink")))
			return;
	}
	*frames |= !strcmp(name, ".eh_frame");
	*total = shdr->sh_size > UINT64_MAX - *total ? UINT64_MAX : *total + shdr->sh_size;
}

/* The section of names, by which some are told from others, comes first: it may be what is too
 * large.  Where there is no .eh_frame libelf may read the whole file for it. */
static u64 table_bytes(struct ct_elf *f)
{
	size_t cnt, strings;
	u64 total = 0;
	bool frames = false;
	GElf_Shdr shdr;
	if (elf_getshdrnum(f->elf, &cnt) || cnt > CT_SECTIONS_MAX)
		return UINT64_MAX;
	if (cnt && (elf_getshdrstrndx(f->elf, &strings) ||
			   !gelf_getshdr(elf_getscn(f->elf, strings), &shdr) ||
			   shdr.sh_size > CT_TABLES_BYTES_MAX))
		return UINT64_MAX;
	for (size_t i = 1; i < cnt; i++)
		if (gelf_getshdr(elf_getscn(f->elf, i), &shdr))
			add_table(f->elf, strings, &shdr, &total, &frames);
	if (frames || f->image)
		return total;
	return f->id.size > UINT64_MAX - total ? UINT64_MAX : total + f->id.size;
}

/* Counts what a file is about to take; false: it may not. */
static bool take(struct ct_elf *f, u64 bytes)
{
	u64 before = f->taken ? *f->taken : 0;
	if (bytes > CT_FILES_BYTES_MAX || before > CT_FILES_BYTES_MAX - bytes)
		return false;
	if (f->taken)
		*f->taken += bytes;
	return true;
}

/* A file may be a sparse one of terabytes, whose tables fill the memory. */
static bool is_bearable(struct ct_elf *f)
{
	u64 bytes = table_bytes(f);
	return bytes <= CT_TABLES_BYTES_MAX && take(f, bytes);
}

static Elf *begin_image(struct ct_elf *f)
{
	elf_version(EV_CURRENT);
	return elf_memory(f->image, f->image_size);
}

static void read_segments(struct ct_elf *f)
{
	size_t cnt;
	GElf_Phdr phdr;
	if (elf_getphdrnum(f->elf, &cnt) || cnt > CT_SEGMENTS_MAX)
		return;
	for (size_t i = 0; i < cnt; i++) {
		if (!gelf_getphdr(f->elf, (int)i, &phdr) || phdr.p_type != PT_LOAD)
			continue;
		if (phdr.p_vaddr + phdr.p_memsz < phdr.p_vaddr ||
			phdr.p_offset + phdr.p_filesz < phdr.p_offset)
			continue;
		*ct_vec_push(&f->segs) = (struct ct_segment){
			.offset = phdr.p_offset,
			.vaddr = phdr.p_vaddr,
			.filesz = phdr.p_filesz,
			.memsz = phdr.p_memsz,
			.exec = phdr.p_flags & PF_X,
		};
	}
}

static bool is_c_library(const char *path)
{
	static const char *const heads[] = { "libc.so", "libc-2", "libpthread", "librt",
		"ld-linux", "ld-musl", "libc.musl" };
	const char *base = strrchr(path, '/');
	base = base ? base + 1 : path;
	for (u32 i = 0; i < CT_COUNT(heads); i++)
		if (!strncmp(base, heads[i], strlen(heads[i])))
			return true;
	return false;
}

void ct_elf__load(struct ct_elf *f)
{
	GElf_Ehdr ehdr;
	if (f->loaded)
		return;
	f->loaded = true;
	f->libc = is_c_library(f->path);
	open_again(f);
	if (f->image)
		f->elf = begin_image(f);
	else if (f->fd >= 0)
		f->elf = begin_elf(f->fd);
	if (!f->elf)
		return;
	if (!gelf_getehdr(f->elf, &ehdr) || !is_bearable(f)) {
		elf_end(f->elf);
		f->elf = NULL;
		return;
	}
	f->wide = ehdr.e_ident[EI_CLASS] == ELFCLASS64;
	f->native = f->wide && ehdr.e_machine == NATIVE_MACHINE;
	read_segments(f);
	if (f->native)
		f->cfi = dwarf_getcfi_elf(f->elf);
}

/* ---- addresses and contents ---- */

/* Mappings are whole pages, of up to 64 KiB: what a segment ends or begins in is mapped with it. */
static bool segment_holds(const struct ct_segment *s, u64 offset, u64 slack)
{
	return offset + slack >= s->offset && offset < s->offset + s->filesz + slack;
}

u64 ct_elf__vaddr(struct ct_elf *f, u64 offset)
{
	static const u64 slacks[] = { 0, 4096, 65536 };
	ct_elf__load(f);
	/* Executable ones first, whatever the slack: lld lets two segments share a page of the
	 * file, and has it mapped twice, at addresses that differ by more than the offsets. */
	for (int exec = 1; exec >= 0; exec--)
		for (u32 n = 0; n < CT_COUNT(slacks); n++)
			for (u32 i = 0; i < f->segs.cnt; i++) {
				const struct ct_segment *s = &f->segs.at[i];
				if (s->exec == exec && segment_holds(s, offset, slacks[n]))
					return s->vaddr + (offset - s->offset);
			}
	return offset;
}

bool ct_elf__in_segment(struct ct_elf *f, u64 vaddr, bool exec)
{
	ct_elf__load(f);
	for (u32 i = 0; i < f->segs.cnt; i++) {
		const struct ct_segment *s = &f->segs.at[i];
		if ((!exec || s->exec) && vaddr >= s->vaddr && vaddr - s->vaddr < s->memsz)
			return true;
	}
	return false;
}

static bool read_at(struct ct_elf *f, u64 offset, void *to, size_t n)
{
	if (f->image) {
		if (offset > f->image_size || n > f->image_size - offset)
			return false;
		memcpy(to, (char *)f->image + offset, n);
		return true;
	}
	return f->fd >= 0 && offset < (1ull << 62) &&
	       pread(f->fd, to, n, (off_t)offset) == (ssize_t)n;
}

bool ct_elf__read(struct ct_elf *f, u64 vaddr, void *to, size_t n)
{
	ct_elf__load(f);
	for (u32 i = 0; i < f->segs.cnt; i++) {
		const struct ct_segment *s = &f->segs.at[i];
		if (vaddr < s->vaddr || vaddr - s->vaddr >= s->filesz)
			continue;
		u64 at = vaddr - s->vaddr;
		return n <= s->filesz - at && read_at(f, s->offset + at, to, n);
	}
	return false;
}

Elf_Data *ct_elf_section(Elf *elf, const char *name, GElf_Shdr *shdr)
{
	size_t cnt, strings;
	if (elf_getshdrnum(elf, &cnt) || elf_getshdrstrndx(elf, &strings) || cnt > CT_SECTIONS_MAX)
		return NULL;
	for (size_t i = 1; i < cnt; i++) {
		Elf_Scn *scn = elf_getscn(elf, i);
		if (!scn || !gelf_getshdr(scn, shdr))
			continue;
		const char *found = elf_strptr(elf, strings, shdr->sh_name);
		if (found && !strcmp(found, name))
			return shdr->sh_type == SHT_NOBITS ? NULL : elf_rawdata(scn, NULL);
	}
	return NULL;
}

/* ---- the separate debug file ---- */

static bool take_build_id(Elf_Data *data, struct build_id *id)
{
	size_t at = 0, name, desc;
	GElf_Nhdr note;
	while (data && (at = gelf_getnote(data, at, &note, &name, &desc)) > 0) {
		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 ||
			memcmp((char *)data->d_buf + name, "GNU", 4))
			continue;
		if (!note.n_descsz || note.n_descsz > BUILD_ID_MAX)
			continue;
		id->len = note.n_descsz;
		memcpy(id->bytes, (char *)data->d_buf + desc, id->len);
		return true;
	}
	return false;
}

static struct build_id read_build_id(Elf *elf)
{
	struct build_id id = { .len = 0 };
	size_t cnt;
	GElf_Shdr shdr;
	if (elf_getshdrnum(elf, &cnt) || cnt > CT_SECTIONS_MAX)
		return id;
	for (size_t i = 1; i < cnt; i++) {
		Elf_Scn *scn = elf_getscn(elf, i);
		if (!scn || !gelf_getshdr(scn, &shdr) || shdr.sh_type != SHT_NOTE ||
			shdr.sh_size > NOTE_BYTES_MAX)
			continue;
		if (take_build_id(elf_getdata(scn, NULL), &id))
			break;
	}
	return id;
}

/* The checksum of a debug link: CRC-32 as in zlib, over the whole debug file. */
static bool checksum_file(int fd, u32 *crc)
{
	u32 table[256];
	u8 bytes[65536];
	ssize_t got;
	off_t at = 0;
	for (u32 i = 0; i < 256; i++) {
		u32 c = i;
		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
		table[i] = c;
	}
	u32 c = ~0u;
	while ((got = pread(fd, bytes, sizeof(bytes), at)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			c = table[(c ^ bytes[i]) & 0xff] ^ (c >> 8);
		at += got;
	}
	*crc = ~c;
	return got == 0;
}

struct debug_wanted {
	struct build_id id;
	char link[256]; /* file name of the debug link; "": none */
	u32 crc;
};

static bool is_wanted(int fd, Elf *elf, const struct debug_wanted *want)
{
	u32 crc;
	struct build_id id = read_build_id(elf);
	if (id.len && want->id.len)
		return id.len == want->id.len && !memcmp(id.bytes, want->id.bytes, id.len);
	return want->link[0] && checksum_file(fd, &crc) && crc == want->crc;
}

/* Takes ownership of `path`. */
static bool try_debug_file(struct ct_elf *f, char *path, const struct debug_wanted *want)
{
	struct ct_file_id id;
	int fd = ct_open_regular(path, &id);
	free(path);
	if (fd < 0)
		return false;
	Elf *elf = id.size <= CT_DWARF_BYTES_MAX ? begin_elf(fd) : NULL;
	bool itself = f->has_id && same_id(&id, &f->id);
	if (elf && !itself && is_wanted(fd, elf, want)) {
		f->debug_fd = fd;
		f->debug_elf = elf;
		return true;
	}
	if (elf)
		elf_end(elf);
	close(fd);
	return false;
}

static char *build_id_path(const char *root, const struct build_id *id)
{
	char hex[2 * BUILD_ID_MAX + 1] = "";
	for (size_t i = 0; i < id->len; i++)
		snprintf(hex + 2 * i, 3, "%02x", id->bytes[i]);
	return ct_asprintf("%s/.build-id/%.2s/%s.debug", root, hex, hex + 2);
}

static void read_debug_link(Elf *elf, struct debug_wanted *want)
{
	GElf_Shdr shdr;
	Elf_Data *data = ct_elf_section(elf, ".gnu_debuglink", &shdr);
	if (!data || !data->d_buf || data->d_size < 8)
		return;
	size_t len = strnlen(data->d_buf, data->d_size);
	size_t at = (len + 4) & ~(size_t)3; /* the checksum follows the name's NUL, aligned */
	if (!len || len >= sizeof(want->link) || at + 4 > data->d_size ||
		memchr(data->d_buf, '/', len))
		return;
	memcpy(want->link, data->d_buf, len);
	memcpy(&want->crc, (char *)data->d_buf + at, 4);
}

static void find_debug_file(struct ct_elf *f)
{
	struct debug_wanted want = { .id = read_build_id(f->elf) };
	read_debug_link(f->elf, &want);
	if (want.id.len > 1 && try_debug_file(f, build_id_path(f->debug_root, &want.id), &want))
		return;
	const char *slash = strrchr(f->path, '/');
	if (!want.link[0] || !slash)
		return;
	int dir = (int)(slash - f->path);
	(void)(try_debug_file(f, ct_asprintf("%.*s/%s", dir, f->path, want.link), &want) ||
		try_debug_file(f, ct_asprintf("%.*s/.debug/%s", dir, f->path, want.link), &want) ||
		try_debug_file(f, ct_asprintf("%s%.*s/%s", f->debug_root, dir, f->path, want.link),
			&want));
}

/* Bytes that a section of DWARF takes in memory: compressed ones say how large they get. */
static u64 unpacked_size(Elf_Scn *scn, const GElf_Shdr *shdr, const char *name)
{
	GElf_Chdr chdr;
	if (shdr->sh_flags & SHF_COMPRESSED)
		return gelf_getchdr(scn, &chdr) ? chdr.ch_size : UINT64_MAX;
	if (strncmp(name, ".zdebug", 7))
		return shdr->sh_size;
	Elf_Data *data = elf_rawdata(scn, NULL);
	if (!data || data->d_size < 12)
		return UINT64_MAX;
	u64 size = 0; /* "ZLIB", then the size, big endian */
	for (int i = 4; i < 12; i++)
		size = size << 8 | ((u8 *)data->d_buf)[i];
	return size;
}

/* True when the file has DWARF, of a size that can be borne, which is *total. */
static bool has_dwarf(Elf *elf, u64 *total)
{
	size_t cnt, strings;
	bool info = false;
	GElf_Shdr shdr;
	*total = 0;
	if (elf_getshdrnum(elf, &cnt) || elf_getshdrstrndx(elf, &strings) || cnt > CT_SECTIONS_MAX)
		return false;
	for (size_t i = 1; i < cnt; i++) {
		Elf_Scn *scn = elf_getscn(elf, i);
		if (!scn || !gelf_getshdr(scn, &shdr) || shdr.sh_type == SHT_NOBITS)
			continue;
		const char *name = elf_strptr(elf, strings, shdr.sh_name);
		if (!name || (strncmp(name, ".debug_", 7) && strncmp(name, ".zdebug_", 8)))
			continue;
		u64 size = unpacked_size(scn, &shdr, name);
		if (size > CT_DWARF_BYTES_MAX || (*total += size) > CT_DWARF_BYTES_MAX)
			return false;
		info |= !strcmp(name, ".debug_info") || !strcmp(name, ".zdebug_info");
	}
	return info;
}

void ct_elf__find_debug(struct ct_elf *f)
{
	ct_elf__load(f);
	if (f->debug_sought || !f->elf)
		return;
	f->debug_sought = true;
	u64 bytes;
	f->own_dwarf = has_dwarf(f->elf, &bytes);
	if (!f->own_dwarf && !f->image)
		find_debug_file(f);
}

void ct_elf__load_debug(struct ct_elf *f)
{
	ct_elf__find_debug(f);
	if (f->debug_loaded || !f->elf)
		return;
	f->debug_loaded = true;
	Elf *elf = f->own_dwarf ? f->elf : f->debug_elf;
	u64 bytes;
	if (elf && has_dwarf(elf, &bytes) && take(f, bytes))
		f->dbg = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
}
