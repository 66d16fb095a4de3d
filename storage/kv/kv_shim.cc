// What RocksDB's C interface lacks, in the C++ it has. rocksdb_t and the handle type are opaque
// there, but each is a struct whose only member is the pointer to the C++ object. The unit test
// shows it: what a flush wrote is there after a restart, in every space.
//
// Any thread. Failures are returned as a malloc'd message, as the C interface does.
#include <cstdlib>
#include <cstring>
#include <rocksdb/db.h>
#include <vector>

extern "C" {
struct rocksdb_t {
    rocksdb::DB *rep;
};
struct rocksdb_column_family_handle_t {
    rocksdb::ColumnFamilyHandle *rep;
};

char *kv_shim_flush(rocksdb_t *db, rocksdb_column_family_handle_t *const *spaces, size_t count);

char *kv_shim_flush(rocksdb_t *db, rocksdb_column_family_handle_t *const *spaces, size_t count)
{
    std::vector<rocksdb::ColumnFamilyHandle *> handles;
    for (size_t i = 0; i < count; i++)
        handles.push_back(spaces[i]->rep);
    rocksdb::FlushOptions options;
    options.wait = true;
    options.allow_write_stall = true; // a flush that was asked for must not wait for compaction
    rocksdb::Status status = db->rep->Flush(options, handles);
    return status.ok() ? nullptr : strdup(status.ToString().c_str());
}
}
