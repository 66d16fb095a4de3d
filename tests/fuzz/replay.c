/* Runs a fuzz target over files, without a fuzzer: each argument is a file, or a folder whose files
 * are taken one by one. A crash or a failed assertion ends the process; that is the result. One
 * thread. Exits with 1 when an argument cannot be read or no file was found. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (!file || fstat(fileno(file), &info) != 0) {
        fprintf(stderr, "%s: cannot be read\n", path);
        if (file)
            fclose(file);
        return -1;
    }
    size_t size = (size_t)info.st_size;
    /* Exactly as large as the input: the address sanitizer sees the first byte read past it. */
    uint8_t *data = malloc(size ? size : 1);
    if (!data || fread(data, 1, size, file) != size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        free(data);
        fclose(file);
        return -1;
    }
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 1;
}

/* Returns how many files were run, or -1. */
static int replay(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return replay_file(path);
    int count = 0;
    const struct dirent *entry;
    while (count >= 0 && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        char inner[4096];
        int n = snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        int ran = n > 0 && n < (int)sizeof(inner) ? replay_file(inner) : -1;
        count = ran < 0 ? -1 : count + ran;
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        int ran = replay(argv[i]);
        if (ran < 0)
            return 1;
        count += ran;
    }
    printf("%s: %d inputs\n", argv[0], count);
    return count > 0 ? 0 : 1;
}
