/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every file that was seen mapped, one entry per content: a path whose file was replaced while
 * recording stands for two.  A file is opened when it is first seen and held open (the first
 * CT_HELD_FDS_MAX of them), so that it can be read although it was deleted or its process, with its
 * own view of the file system, is gone.
 */
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "symbols/symbols_int.h"

#define DELETED " (deleted)"

void ct_files__init(struct ct_files *files)
{
	files->paths = ct_strtab__new();
	files->by_inode = ct_table__new();
	files->by_path = ct_table__new();
}

void ct_files__clear(struct ct_files *files)
{
	for (u32 i = 0; i < files->at.cnt; i++)
		ct_elf__free(files->at.at[i]);
	ct_vec_free(&files->at);
	ct_strtab__free(files->paths);
	ct_table__free(files->by_inode);
	ct_table__free(files->by_path);
}

static bool is_anonymous(const char *path)
{
	return !path || !path[0] || path[0] == '[' || !strncmp(path, "//anon", 6) ||
		!strncmp(path, "anon_inode:", 11);
}

static int open_formatted(struct ct_file_id *id, const char *fmt, u32 tgid, const char *path)
{
	char *name = ct_asprintf(fmt, tgid, path);
	int fd = ct_open_regular(name, id);
	free(name);
	return fd;
}

/* What has the path now may be another file than the one that was mapped, when its process has
 * gone: a program built anew, say.  Of the inode's number the low half counts, as overlayfs puts
 * its own into the high one; FUSE tells others than it has. */
static bool is_mapped_one(int fd, const struct ct_file_id *id, u64 ino)
{
	struct statfs st;
	if (!ino || (u32)ino == (u32)id->ino)
		return true;
	return !fstatfs(fd, &st) && st.f_type == FUSE_SUPER_MAGIC;
}

static int open_path(struct ct_file_id *id, u32 tgid, const char *path, u64 ino)
{
	int fd = open_formatted(id, "/proc/%u/root%s", tgid, path);
	if (fd < 0)
		fd = ct_open_regular(path, id);
	if (fd < 0 || is_mapped_one(fd, id, ino))
		return fd;
	close(fd);
	return -ESTALE;
}

/* The mapping itself is the best witness; then the path as the process sees it; then as we do. */
static int open_mapped(struct ct_file_id *id, u32 tgid, u64 addr, u64 len, const char *path,
	u64 ino, bool deleted)
{
	char *range = ct_asprintf("%llx-%llx", (unsigned long long)addr,
		(unsigned long long)(addr + len));
	int fd = open_formatted(id, "/proc/%u/map_files/%s", tgid, range);
	free(range);
	if (fd >= 0 || deleted || path[0] != '/')
		return fd;
	return open_path(id, tgid, path, ino);
}

static u32 add_file(struct ct_files *files, struct ct_elf *elf)
{
	elf->taken = &files->taken;
	*ct_vec_push(&files->at) = elf;
	return files->at.cnt - 1;
}

/* A file that cannot be opened is told from others by its path alone. */
static u32 get_by_path(struct ct_files *files, const char *path)
{
	u32 id = ct_strtab__add(files->paths, path);
	u32 idx = ct_table__get(files->by_path, id, 0);
	if (idx != CT_NONE)
		return idx;
	bool vdso = !strcmp(path, "[vdso]");
	idx = add_file(files, vdso ? ct_elf__new_vdso(files->debug_root) :
				     ct_elf__new(path, files->debug_root));
	ct_table__set(files->by_path, id, 0, idx);
	return idx;
}

/* Takes the descriptor. */
static u32 get_by_id(struct ct_files *files, const char *path, const struct ct_file_id *id, int fd)
{
	u32 idx = ct_table__get(files->by_inode, id->ino, id->dev);
	if (idx != CT_NONE && files->at.at[idx]->id.size == id->size &&
		files->at.at[idx]->id.mtime_ns == id->mtime_ns) {
		close(fd);
		return idx;
	}
	struct ct_elf *elf = ct_elf__new(path, files->debug_root);
	elf->id = *id;
	elf->has_id = true;
	if (files->held < CT_HELD_FDS_MAX) {
		files->held++;
		elf->fd = fd;
	} else {
		close(fd);
	}
	idx = add_file(files, elf);
	ct_table__set(files->by_inode, id->ino, id->dev, idx);
	return idx;
}

u32 ct_files__get(
	struct ct_files *files, u32 tgid, u64 addr, u64 len, const char *path, u64 ino)
{
	struct ct_file_id id;
	if (path && !strcmp(path, "[vdso]"))
		return get_by_path(files, path);
	if (is_anonymous(path))
		return CT_NONE;
	size_t n = strlen(path);
	size_t cut = strlen(DELETED);
	bool deleted = n > cut && !strcmp(path + n - cut, DELETED);
	char *plain = ct_strndup(path, deleted ? n - cut : n);
	int fd = open_mapped(&id, tgid, addr, len, plain, ino, deleted);
	u32 idx = fd >= 0 ? get_by_id(files, plain, &id, fd) : get_by_path(files, plain);
	free(plain);
	return idx;
}

u64 ct_files__vaddr(const struct ct_files *files, const struct ct_mapping *mapping, u64 addr)
{
	struct ct_elf *elf = files->at.at[mapping->file];
	u64 pgoff = elf->image ? 0 : mapping->pgoff; /* the vdso has no file to be offset in */
	return ct_elf__vaddr(elf, addr - mapping->addr + pgoff);
}
