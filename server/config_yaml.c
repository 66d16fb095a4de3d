/* The YAML file of settings.
 *
 * The file is one document whose root is a mapping; nested mappings make dotted keys. Scalars go
 * through config_set. A null leaves what is set. Keys that are not settings, with all that is below
 * them, are noted and ignored; a mapping or a list where a setting is expected is an error. Depth,
 * file size and number of keys are bounded. Threads: start only. Failures: IO and NOT_FOUND for the
 * file, BAD_INPUT with line for its content. */
#include "server/config.h"
#include "storage/base/file.h"

#include <string.h>
#include <yaml.h>

enum { DEPTH_MAX = 8, KEY_SIZE_MAX = 128, FILE_SIZE_MAX = 1 << 20 };

struct walk {
    struct settings *settings;
    yaml_document_t *document;
    const char *path;
    struct error *err;
};

static bool is_null(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;
    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
        return false;
    }
    return text[0] == '\0' || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0;
}

static enum status set_scalar(struct walk *walk, const char *key, const yaml_node_t *node)
{
    if (is_null(node)) {
        return STATUS_OK;
    }
    char source[200];
    (void)snprintf(source, sizeof(source), "%.150s line %zu", walk->path,
                   node->start_mark.line + 1);
    enum status status =
        config_set(walk->settings, key, (const char *)node->data.scalar.value, source, walk->err);
    if (status == STATUS_NOT_FOUND) {
        buffer_printf(&walk->settings->notes, "setting %s (%s) is not known, ignored\n", key,
                      source);
        return STATUS_OK;
    }
    return status;
}

static enum status walk_mapping(struct walk *walk, const yaml_node_t *mapping, const char *prefix,
                                int depth);

static enum status walk_pair(struct walk *walk, const yaml_node_pair_t *pair, const char *prefix,
                             int depth)
{
    const yaml_node_t *name = yaml_document_get_node(walk->document, pair->key);
    const yaml_node_t *value = yaml_document_get_node(walk->document, pair->value);
    char key[KEY_SIZE_MAX];
    if (name == NULL || value == NULL || name->type != YAML_SCALAR_NODE) {
        return error_set(walk->err, STATUS_BAD_INPUT, "%.150s: a key is not a text", walk->path);
    }
    int size = snprintf(key, sizeof(key), "%s%s%s", prefix, prefix[0] != '\0' ? "." : "",
                        (const char *)name->data.scalar.value);
    if (size < 0 || (size_t)size >= sizeof(key)) {
        return error_set(walk->err, STATUS_BAD_INPUT, "%.150s line %zu: the key is too long",
                         walk->path, name->start_mark.line + 1);
    }
    if (value->type == YAML_SCALAR_NODE) {
        return set_scalar(walk, key, value);
    }
    if (config_known(key)) {
        return error_set(walk->err, STATUS_BAD_INPUT,
                         "setting %s (%.150s line %zu): a single value is expected, not a %s", key,
                         walk->path, value->start_mark.line + 1,
                         value->type == YAML_MAPPING_NODE ? "mapping" : "list");
    }
    if (value->type == YAML_MAPPING_NODE) {
        return walk_mapping(walk, value, key, depth + 1);
    }
    buffer_printf(&walk->settings->notes, "setting %s (%.150s line %zu) is not known, ignored\n",
                  key, walk->path, name->start_mark.line + 1);
    return STATUS_OK;
}

static enum status walk_mapping(struct walk *walk, const yaml_node_t *mapping, const char *prefix,
                                int depth)
{
    if (depth > DEPTH_MAX) {
        return error_set(walk->err, STATUS_BAD_INPUT, "%.150s: '%s' is nested too deep", walk->path,
                         prefix);
    }
    const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
    for (; pair < mapping->data.mapping.pairs.top; pair++) {
        enum status status = walk_pair(walk, pair, prefix, depth);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static enum status read_document(struct settings *settings, const char *path, struct slice text,
                                 struct error *err)
{
    yaml_parser_t parser;
    yaml_document_t document;
    if (yaml_parser_initialize(&parser) == 0) {
        return error_set(err, STATUS_INTERNAL, "no memory to read %.150s", path);
    }
    yaml_parser_set_input_string(&parser, text.data, text.size);
    enum status status = STATUS_OK;
    if (yaml_parser_load(&parser, &document) == 0) {
        status = error_set(err, STATUS_BAD_INPUT, "%.150s line %zu: %s", path,
                           parser.problem_mark.line + 1,
                           parser.problem != NULL ? parser.problem : "this is not YAML");
        goto fail_parser;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&document);
    struct walk walk = {.settings = settings, .document = &document, .path = path, .err = err};
    if (root != NULL && root->type == YAML_MAPPING_NODE) {
        status = walk_mapping(&walk, root, "", 0);
    } else if (root != NULL && !(root->type == YAML_SCALAR_NODE && is_null(root))) {
        status =
            error_set(err, STATUS_BAD_INPUT, "%.150s: the file is not a mapping of settings", path);
    }
    yaml_document_delete(&document);
fail_parser:
    yaml_parser_delete(&parser);
    return status;
}

enum status config_read_yaml(struct settings *settings, const char *path, struct error *err)
{
    struct buffer text;
    buffer_init(&text, FILE_SIZE_MAX);
    enum status status = file_read_whole(file_system_real(), path, &text, err);
    if (status == STATUS_OK && text.failed) {
        status =
            error_set(err, STATUS_BAD_INPUT, "%.150s is larger than %d bytes", path, FILE_SIZE_MAX);
    }
    if (status == STATUS_OK) {
        status = read_document(settings, path, buffer_slice(&text), err);
    }
    buffer_deinit(&text);
    return status;
}
