/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A fuzz target without the fuzzer: every file of the folders given is played once, in order of
 * their names. So the corpus is a test in every build, and counts for the coverage.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "input.h"

static int visible(const struct dirent *e) { return e->d_name[0] != '.'; }

static void play(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	long len;

	MR_ASSERT(f != NULL && fseek(f, 0, SEEK_END) == 0);
	len = ftell(f);
	MR_ASSERT(len >= 0);
	rewind(f);
	/* a buffer of just this size: reads beyond it are seen */
	data = malloc(len != 0 ? (size_t)len : 1);
	MR_ASSERT(data != NULL && fread(data, 1, (size_t)len, f) == (size_t)len);
	fclose(f);
	if (getenv("FUZZ_NAMES") != NULL)
		fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(data, (size_t)len);
	free(data);
}

static unsigned int play_folder(const char *folder)
{
	struct dirent **files;
	char path[4096];
	int n = scandir(folder, &files, visible, alphasort);

	MR_ASSERT(n >= 0);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]->d_name);
		play(path);
		free(files[i]);
	}
	free(files);
	return (unsigned int)n;
}

int main(int argc, char **argv)
{
	unsigned int played = 0;

	LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		played += play_folder(argv[i]);
	printf("%u inputs played\n", played);
	return played == 0;
}
