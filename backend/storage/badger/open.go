package badger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"

	"pilothouse/backend/storage"

	badgerdb "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"k8s.io/klog/v2"
)

// Options say where the folder is and how the engine behaves; only Dir must be
// given.
type Options struct {
	Dir string
	// MinFree is how many bytes of the disk must be free for a write to be
	// taken; deletes are taken down to half of it. 0 means DefaultMinFree.
	MinFree uint64
	// Free tells how many bytes of the folder's disk are free; nil asks the
	// system.
	Free func() (uint64, error)
	// Fatal is called when a commit failed: what is on the disk is then
	// unknown, and only a new start can tell. It is not to return; nil means
	// to log the error and to end the process with status 1.
	Fatal func(error)

	sizes sizes
}

// sizes are in bytes. Tests make them small, so that little data goes through
// all of Badger.
type sizes struct {
	memTable int64
	// value is the length from which values go to the value log.
	value    int64
	valueLog int64
}

// defaultSizes: 1 MiB is the largest length that Badger keeps out of the value
// log; a memory table costs nothing before it is filled.
var defaultSizes = sizes{memTable: memTableSize, value: 1 << 20, valueLog: 64 << 20}

// DefaultMinFree is enough for the database's own files to be written out and
// compacted, 128 MiB. Badger writes through mapped files, so a disk without
// room would end the process with SIGBUS.
const DefaultMinFree = 128 << 20

const memTableSize = 16 << 20

// Open opens the folder, and makes it when it is not there. It gives ErrLocked
// when another engine has it open and ErrFormat when a newer version wrote it.
func Open(o Options) (*Engine, error) {
	o = o.withDefaults()
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the data folder: %w", err)
	}
	lock, err := lockFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	e, err := open(o)
	if err != nil {
		return nil, errors.Join(err, lock.release())
	}
	e.lock = lock
	return e, nil
}

func open(o Options) (*Engine, error) {
	if err := removeEmpty(o.Dir); err != nil {
		return nil, err
	}
	db, err := openOnNewMemory(badgerOptions(o.Dir, o.sizes))
	if err != nil {
		return nil, fmt.Errorf("open the database in %s: %w", o.Dir, err)
	}
	e := &Engine{options: o, db: db, space: newSpace(o)}
	e.uses.idle.L = &e.uses.mu
	e.queue.idle.L = &e.queue.mu
	if err := e.readMeta(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database in %s: %w", o.Dir, err), db.Close())
	}
	return e, nil
}

// openOnNewMemory opens the database so that its memory table, of whose 20 MB
// little is in use for long, lies where nothing was before. Go clears memory that
// was used, and that makes all of it resident, also when only the first page was;
// whether the table begins in such a page is a matter of when garbage was
// collected. So that place is taken before, and given back after.
func openOnNewMemory(o badgerdb.Options) (*badgerdb.DB, error) {
	place := make([]byte, o.MemTableSize/10*13) // a table with its room for one batch
	defer runtime.KeepAlive(place)
	return badgerdb.OpenManaged(o)
}

func (o Options) withDefaults() Options {
	if o.MinFree == 0 {
		o.MinFree = DefaultMinFree
	}
	if o.sizes == (sizes{}) {
		o.sizes = defaultSizes
	}
	if o.Free == nil {
		o.Free = func() (uint64, error) { return freeBytes(o.Dir) }
	}
	if o.Fatal == nil {
		o.Fatal = func(err error) {
			klog.ErrorS(err, "The storage cannot write: ending, so that nothing is lost unnoticed", "dir", o.Dir)
			klog.FlushAndExit(klog.ExitFlushTimeout, 1)
		}
	}
	return o
}

// badgerOptions were measured: no compression and no caches, since reads come
// from the watch cache and a start reads everything once; values stay in the
// LSM tree, so that one sync makes a write durable; no conflict detection,
// since the committer compares revisions itself.
func badgerOptions(dir string, s sizes) badgerdb.Options {
	return badgerdb.DefaultOptions(dir).
		WithSyncWrites(true).
		WithDetectConflicts(false).
		WithNumVersionsToKeep(1).
		WithMemTableSize(s.memTable).
		WithNumMemtables(2).
		WithNumCompactors(2).
		WithBlockCacheSize(0).
		WithIndexCacheSize(0).
		WithCompression(options.None).
		WithValueLogFileSize(s.valueLog).
		WithValueThreshold(s.value).
		WithMetricsEnabled(false).
		WithLogger(logger{})
}

// Objects are under one prefix, the engine's own keys under another.
const (
	objectPrefix = 'o'
	metaPrefix   = 'm'
)

var (
	formatKey    = []byte(string(metaPrefix) + "format")
	compactedKey = []byte(string(metaPrefix) + "compacted")
	// restoringKey is 1 while a backup is being restored.
	restoringKey = []byte(string(metaPrefix) + "restoring")
)

// formatVersion is the layout's that this code writes. A folder with a higher
// one is refused. Its key is at storage.FirstRevision.
const formatVersion = 1

// readMeta finds out where the store stands, and begins a new one.
func (e *Engine) readMeta() error {
	format, found, err := e.getMeta(formatKey)
	switch {
	case err != nil:
		return err
	case found && format > formatVersion:
		return fmt.Errorf("%w: its format is %d, this program knows up to %d", storage.ErrFormat, format, formatVersion)
	case !found && e.db.MaxVersion() > 0:
		return errors.New("the folder holds a database of something else")
	case !found:
		if err := e.setMeta(formatKey, formatVersion, storage.FirstRevision); err != nil {
			return err
		}
	}
	restoring, _, err := e.getMeta(restoringKey)
	if err != nil {
		return err
	}
	if restoring != 0 {
		return errors.New("a restore into this folder did not end: remove it and restore again")
	}
	compacted, _, err := e.getMeta(compactedKey)
	if err != nil {
		return err
	}
	e.published.Store(int64(e.db.MaxVersion()))
	e.compacted.Store(compacted)
	e.discard(compacted)
	return nil
}

func (e *Engine) getMeta(key []byte) (value int64, found bool, err error) {
	txn := e.db.NewTransactionAt(maxRevision, false)
	defer txn.Discard()
	item, err := txn.Get(key)
	if errors.Is(err, badgerdb.ErrKeyNotFound) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	err = item.Value(func(b []byte) error {
		if len(b) != 8 {
			return fmt.Errorf("%q has %d bytes, not 8", key, len(b))
		}
		value = int64(binary.BigEndian.Uint64(b))
		return nil
	})
	return value, true, err
}

// setMeta writes one of the engine's own keys, durably. The version is at most
// the newest revision, so that it does not move it.
func (e *Engine) setMeta(key []byte, value, version int64) error {
	txn := e.db.NewTransactionAt(uint64(version), true)
	defer txn.Discard()
	if err := txn.Set(key, binary.BigEndian.AppendUint64(nil, uint64(value))); err != nil {
		return err
	}
	return txn.CommitAt(uint64(version), nil)
}
