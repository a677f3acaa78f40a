package etcd

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"

	"pilothouse/backend/storage"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Notes are kept under a few keys beside those of the objects, in the
// transactions of their writes: at a revision the note's key holds who made it.
// So there is nothing to clean up: compaction drops the note of a write with the
// write, and an object that is deleted leaves no key behind. There is more than
// one key because etcd searches a key's revisions one by one.
const noteKeys = 256

// notesAtOnce is how many notes one question asks for: etcd's --max-txn-ops is 128.
const notesAtOnce = 100

// noteKey is where the notes of an object's writes are. Like the mark of a
// restore it is outside of the prefix.
func (e *Engine) noteKey(key string) string {
	h := fnv.New32a()
	h.Write([]byte(key))
	return fmt.Sprintf("%s.who/%02x", strings.TrimSuffix(e.prefix, "/"), h.Sum32()%noteKeys)
}

// Notes gives the records their notes.
func (e *Engine) Notes(ctx context.Context, records []storage.Record) error {
	if err := e.begin(); err != nil {
		return err
	}
	defer e.end()
	for len(records) > 0 {
		n := min(len(records), notesAtOnce)
		if err := e.notes(ctx, records[:n]); err != nil {
			return translate(err)
		}
		records = records[n:]
	}
	return nil
}

func (e *Engine) notes(ctx context.Context, records []storage.Record) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	reads := make([]clientv3.Op, len(records))
	for i, r := range records {
		reads[i] = clientv3.OpGet(e.noteKey(r.Key), clientv3.WithRev(r.Revision))
	}
	answer, err := e.client.Txn(ctx).Then(reads...).Commit()
	if err != nil {
		return err
	}
	for i := range records {
		records[i].Value = nil
		if kvs := answer.Responses[i].GetResponseRange().Kvs; len(kvs) > 0 && kvs[0].ModRevision == records[i].Revision {
			records[i].Value = kvs[0].Value
		}
	}
	return nil
}
