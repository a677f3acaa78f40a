package badger

import (
	"context"
	"math"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"pilothouse/backend/storage"

	"k8s.io/klog/v2"
)

// space knows how full the disk is, at most spaceInterval or spaceBytes of
// writes ago.
type space struct {
	free    func() (uint64, error)
	minimum uint64

	left    atomic.Uint64 // free bytes when last asked
	written atomic.Uint64 // bytes of values since then
	asked   atomic.Int64  // when, in nanoseconds since began
	began   time.Time
}

// How long an answer of the system is good for: the disk is shared with others,
// and our own writes take several times their length until they are compacted.
const (
	spaceInterval = 250 * time.Millisecond
	spaceBytes    = 4 << 20
)

func newSpace(o Options) *space {
	s := &space{free: o.Free, minimum: o.MinFree, began: time.Now()}
	s.left.Store(math.MaxUint64)
	s.ask(0)
	return s
}

// check refuses a write when the disk is nearly full. Deletes may use half of
// what is kept free: they are how a user makes room.
func (s *space) check(w *storage.Write) error {
	now := int64(time.Since(s.began))
	if now-s.asked.Load() > int64(spaceInterval) || s.written.Load() > spaceBytes {
		s.ask(now)
	}
	s.written.Add(uint64(len(w.Value)))
	minimum := s.minimum
	if w.Delete {
		minimum /= 2
	}
	if s.left.Load() < minimum {
		return storage.ErrNoSpace
	}
	return nil
}

// ask takes the system's word. When there is none the last one stays: a disk
// that cannot be asked is no reason to refuse writes.
func (s *space) ask(now int64) {
	s.asked.Store(now)
	s.written.Store(0)
	free, err := s.free()
	if err != nil {
		klog.ErrorS(err, "Cannot tell how full the data folder's disk is")
		return
	}
	if was := s.left.Swap(free); free < s.minimum && was >= s.minimum {
		klog.ErrorS(storage.ErrNoSpace, "Refusing writes", "freeBytes", free, "neededBytes", s.minimum)
	}
}

// freeBytes is what is free for us on the folder's disk.
func freeBytes(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return uint64(st.Bavail) * uint64(st.Bsize), nil
}

// Size is how much of the disk the folder's files have. Badger maps files that
// are longer than what is in them, so it is blocks that count.
func (e *Engine) Size(context.Context) (int64, error) {
	entries, err := os.ReadDir(e.options.Dir)
	if err != nil {
		return 0, err
	}
	size := int64(0)
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil {
			continue // it was compacted away meanwhile
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			size += int64(st.Blocks) * 512
		}
	}
	return size, nil
}
