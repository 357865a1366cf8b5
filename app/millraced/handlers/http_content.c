/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What http serves: see http_content.h. Everything here but http_content_find() runs once, on the
 * control thread, before the workers start.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attr.h"
#include "bounds.h"

#include "http_content.h"

#define DEPTH_MAX	16u
/* /bytes/N is made of this much, sent again and again; one mr_send_static() takes at most 65535. */
#define PATTERN_OCTETS	64000u

static const struct {
	const char *suffix, *type;
} media_types[] = {
	{".html", "text/html; charset=utf-8"},
	{".htm", "text/html; charset=utf-8"},
	{".txt", "text/plain; charset=utf-8"},
	{".md", "text/markdown; charset=utf-8"},
	{".css", "text/css"},
	{".js", "text/javascript"},
	{".json", "application/json"},
	{".svg", "image/svg+xml"},
	{".png", "image/png"},
	{".jpg", "image/jpeg"},
	{".gif", "image/gif"},
	{".pdf", "application/pdf"},
};

/* A walk of the tree: what is read goes to `content`; the first error ends it. */
struct walk {
	struct http_content *content;
	char error[256];
};

static const char *media_type(const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < MR_ARRAY_LEN(media_types); i++) {
		size_t n = strlen(media_types[i].suffix);

		if (len > n && strcmp(path + len - n, media_types[i].suffix) == 0)
			return media_types[i].type;
	}
	return "application/octet-stream";
}

static int fail(struct walk *walk, const char *path, const char *problem)
{
	snprintf(walk->error, sizeof(walk->error), "http root: %.120s: %s", path, problem);
	return -1;
}

static struct http_file *add_entry(struct http_content *content, const char *path)
{
	struct http_file *f;

	if (content->count == content->capacity) {
		uint32_t capacity = content->capacity * 2 + 64;

		f = realloc(content->file, capacity * sizeof(*f));
		if (f == NULL)
			return NULL;
		content->file = f;
		content->capacity = capacity;
	}
	f = &content->file[content->count];
	*f = (struct http_file){.path = strdup(path), .type = media_type(path)};
	if (f->path == NULL)
		return NULL;
	content->count++;
	return f;
}

static int read_all(int fd, char *to, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = read(fd, to + done, len - done);

		if (n == 0)
			errno = EIO; /* it became shorter while it was read */
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

/* NULL with errno: the file cannot be read, or there is no memory. */
static struct mr_static *read_body(int fd, size_t len)
{
	struct mr_static *body = NULL;
	char *octets = malloc(len);

	if (octets != NULL && read_all(fd, octets, len) == 0) {
		body = mr_static_create(octets, len);
		errno = ENOMEM;
	}
	free(octets);
	return body;
}

static int load_file(struct walk *walk, int fd, const struct stat *st, const char *path)
{
	struct http_content *content = walk->content;
	size_t len = (size_t)st->st_size;
	struct http_file *f;

	if (len > content->octets_max - content->octets) {
		char problem[96];

		snprintf(problem, sizeof(problem),
			 "the files exceed %" PRIu64 " octets (http.root_max)",
			 content->octets_max);
		return fail(walk, path, problem);
	}
	f = add_entry(content, path);
	if (f == NULL)
		return fail(walk, path, "no memory");
	f->len = len;
	if (len == 0)
		return 0;
	f->body = read_body(fd, len);
	content->octets += len;
	return f->body != NULL ? 0 : fail(walk, path, strerror(errno));
}

static int walk_directory(struct walk *walk, int dir_fd, const char *path, unsigned int depth);

/* One name of a directory: a file is read, a directory entered, anything else left out. */
static int walk_entry(struct walk *walk, int dir_fd, const char *name, const char *parent,
		      unsigned int depth)
{
	char path[1024];
	struct stat st;
	int fd, rc = 0;

	if (snprintf(path, sizeof(path), "%s/%s", parent, name) >= (int)sizeof(path))
		return fail(walk, parent, "a path is too long");
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return fail(walk, path, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return 0;
	fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0)
		rc = fail(walk, path, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		return walk_directory(walk, fd, path, depth + 1); /* which closes fd */
	else if (S_ISREG(st.st_mode))
		rc = load_file(walk, fd, &st, path);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Owns dir_fd. */
static int walk_directory(struct walk *walk, int dir_fd, const char *path, unsigned int depth)
{
	DIR *dir = depth < DEPTH_MAX ? fdopendir(dir_fd) : NULL;
	struct dirent *entry;
	int rc = 0;

	if (dir == NULL) {
		close(dir_fd);
		return fail(walk, path, depth < DEPTH_MAX ? strerror(errno) : "nested too deeply");
	}
	while (rc == 0 && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			rc = walk_entry(walk, dir_fd, entry->d_name, path, depth);
	}
	closedir(dir);
	return rc;
}

static int by_path(const void *a, const void *b)
{
	const struct http_file *fa = a, *fb = b;

	return strcmp(fa->path, fb->path);
}

static int load_root(struct http_content *content, const char *root, const char **why)
{
	static char error[sizeof(((struct walk *)0)->error)];
	struct walk walk = {.content = content};
	int rc, fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	rc = fd >= 0 ? walk_directory(&walk, fd, "", 0) : fail(&walk, root, strerror(errno));
	if (rc == 0 && content->count > 0)
		qsort(content->file, content->count, sizeof(content->file[0]), by_path);
	memcpy(error, walk.error, sizeof(error));
	*why = error;
	return rc;
}

static struct mr_static *make_pattern(void)
{
	char octets[PATTERN_OCTETS];

	for (uint32_t i = 0; i < PATTERN_OCTETS; i++)
		octets[i] = (char)('a' + i % 26);
	return mr_static_create(octets, PATTERN_OCTETS);
}

int http_content_load(struct http_content *content, const char *root, uint64_t octets_max,
		      uint64_t bytes_max, const char **why)
{
	*content = (struct http_content){
		.octets_max = octets_max,
		.bytes_max = bytes_max,
		.pattern = make_pattern(),
		.has_root = root != NULL,
	};
	if (content->pattern == NULL) {
		*why = "no memory for the content of an http listener";
		return -1;
	}
	return root != NULL ? load_root(content, root, why) : 0;
}

/* nftw() has no argument for its callback; the control thread alone is here. */
static struct {
	uint64_t octets, files;
} measured;

static int measure(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)path;
	(void)at;
	if (type == FTW_F && S_ISREG(st->st_mode)) {
		measured.octets += (uint64_t)st->st_size;
		measured.files++;
	}
	return 0;
}

uint64_t http_content_measure(const char *root, uint64_t octets_max)
{
	measured.octets = measured.files = 0;
	nftw(root, measure, DEPTH_MAX, FTW_PHYS);	/* what it cannot read the load will say */
	return MR_MIN(measured.octets, octets_max) + measured.files * MR_STATIC_OVERHEAD;
}

void http_content_free(struct http_content *content)
{
	for (uint32_t i = 0; i < content->count; i++) {
		if (content->file[i].body != NULL)
			mr_static_destroy(content->file[i].body);
		free(content->file[i].path);
	}
	free(content->file);
	if (content->pattern != NULL)
		mr_static_destroy(content->pattern);
	*content = (struct http_content){0};
}

/* ---- On the workers -------------------------------------------------------------------------- */

const char *http_status_text(uint16_t status)
{
	static const struct {
		uint16_t status;
		const char *text;
	} table[] = {
		{200, "OK"}, {400, "Bad Request"}, {404, "Not Found"}, {405, "Method Not Allowed"},
		{413, "Content Too Large"}, {414, "URI Too Long"},
		{431, "Request Header Fields Too Large"}, {505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(table); i++) {
		if (table[i].status == status)
			return table[i].text;
	}
	return "Error";
}

/* N of /bytes/N. False: another path, or N is no number, or above the limit. */
static bool bytes_path(const struct http_content *content, const char *path, uint64_t *n)
{
	static const char prefix[] = "/bytes/";
	const char *digits = path + sizeof(prefix) - 1;
	size_t len;

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0)
		return false;
	len = strspn(digits, "0123456789");
	if (len == 0 || len > 18 || digits[len] != '\0')
		return false;
	*n = strtoull(digits, NULL, 10); /* 18 digits fit 64 bits */
	return *n <= content->bytes_max;
}

static const struct http_file *find_file(const struct http_content *content, const char *path)
{
	static const char index[] = "index.html";
	size_t len = strlen(path);
	char with_index[1024];
	struct http_file key = {.path = with_index};

	if (content->count == 0 || len + sizeof(index) > sizeof(with_index))
		return NULL;
	memcpy(with_index, path, len + 1);
	if (len > 0 && path[len - 1] == '/')
		memcpy(with_index + len, index, sizeof(index));
	return bsearch(&key, content->file, content->count, sizeof(key), by_path);
}

bool http_content_find(const struct http_content *content, const char *path, struct http_body *out)
{
	static const char hello[] = "Millrace. Try /bytes/1000000\n";
	const struct http_file *file;

	*out = (struct http_body){.type = "application/octet-stream"};
	if (bytes_path(content, path, &out->len)) {
		out->body = content->pattern;
		return true;
	}
	file = find_file(content, path);
	if (file != NULL) {
		*out = (struct http_body){.type = file->type, .body = file->body, .len = file->len};
		return true;
	}
	if (content->has_root || strcmp(path, "/") != 0)
		return false;
	*out = (struct http_body){.type = "text/plain", .text = hello, .len = sizeof(hello) - 1};
	return true;
}
