package storage

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// A backup is a store at one revision; docs/formats/storage.md has the bytes.
const (
	backupMagic  = "PILOTHOUSE BACKUP\n"
	backupFormat = 1
	backupRecord = 1
	backupEnd    = 0
)

// Errors of a restore.
var (
	ErrNotEmpty = errors.New("storage: a backup can only be restored into a store that was never written")
	ErrBackup   = errors.New("storage: the backup is damaged")
)

// Restorer is an engine that can begin with the content of a backup.
type Restorer interface {
	// Restore fills a store that was never written (ErrNotEmpty else), before
	// Load. next gives the records in key order, each to be at its own
	// revision, and io.EOF after the last. Afterwards the store is at revision
	// and compacted there: it has no history. When it errs the store is of no
	// use: the engine refuses to open it again, or leaves it empty.
	Restore(ctx context.Context, revision int64, next func() (Record, error)) error
}

// Backup writes the store as it is now, while it is being used, and gives the
// revision.
func Backup(ctx context.Context, engine Engine, w io.Writer) (int64, error) {
	revision := engine.Position().Revision
	b := newBackupWriter(w, revision)
	err := engine.ListAt(ctx, revision, "", "", b.record)
	if err := errors.Join(err, b.end()); err != nil {
		return 0, fmt.Errorf("back up revision %d: %w", revision, err)
	}
	return revision, nil
}

// Restore fills an engine's empty store from a backup and gives the revision
// that it is at then. It errs with ErrBackup when the bytes are not exactly
// what Backup wrote, with ErrFormat when a newer version wrote them.
func Restore(ctx context.Context, engine Engine, r io.Reader) (int64, error) {
	return RestoreAfter(ctx, engine, r, 0)
}

// RestoreAfter is Restore with bump revisions left out after the backup's: those
// that were given out between the backup and the loss are not given out again, and
// whoever has seen them is told that they are too old.
func RestoreAfter(ctx context.Context, engine Engine, r io.Reader, bump int64) (int64, error) {
	restorer, ok := engine.(Restorer)
	if !ok {
		return 0, fmt.Errorf("restore into a %T: %w", engine, errors.ErrUnsupported)
	}
	b, err := newBackupReader(r)
	if err != nil {
		return 0, fmt.Errorf("restore: %w", err)
	}
	if bump < 0 || bump > 1<<62-b.revision {
		return 0, fmt.Errorf("restore: %d revisions cannot be left out after %d", bump, b.revision)
	}
	if err := restorer.Restore(ctx, b.revision+bump, b.next); err != nil {
		return 0, fmt.Errorf("restore: %w", err)
	}
	return b.revision + bump, nil
}

// CheckBackup reads a backup to its end and gives its revision and how many
// objects are in it, or ErrBackup or ErrFormat as Restore would.
func CheckBackup(r io.Reader) (revision, objects int64, err error) {
	b, err := newBackupReader(r)
	for err == nil {
		_, err = b.next()
	}
	if !errors.Is(err, io.EOF) {
		return 0, 0, err
	}
	return b.revision, int64(b.count), nil
}

// backupWriter writes a backup. Its first error stays.
type backupWriter struct {
	out   *bufio.Writer
	sum   hash.Hash
	head  []byte // of the record being written
	count uint64
	err   error
}

func newBackupWriter(w io.Writer, revision int64) *backupWriter {
	b := &backupWriter{out: bufio.NewWriterSize(w, 1<<16), sum: sha256.New()}
	head := append([]byte(nil), backupMagic...)
	head = binary.AppendUvarint(head, backupFormat)
	b.write(binary.AppendUvarint(head, uint64(revision)))
	return b
}

func (b *backupWriter) write(p []byte) {
	if b.err == nil {
		b.sum.Write(p)
		_, b.err = b.out.Write(p)
	}
}

// record is for ListAt: it is false after an error.
func (b *backupWriter) record(r Record) bool {
	b.head = append(b.head[:0], backupRecord)
	b.head = binary.AppendUvarint(b.head, uint64(len(r.Key)))
	b.head = append(b.head, r.Key...)
	b.head = binary.AppendUvarint(b.head, uint64(r.Revision))
	b.head = binary.AppendUvarint(b.head, uint64(len(r.Value)))
	b.write(b.head)
	b.write(r.Value)
	b.count++
	return b.err == nil
}

func (b *backupWriter) end() error {
	b.write(binary.AppendUvarint([]byte{backupEnd}, b.count))
	if b.err != nil {
		return b.err
	}
	if _, err := b.out.Write(b.sum.Sum(nil)); err != nil {
		return err
	}
	return b.out.Flush()
}

// backupReader reads one, and believes no length in it beyond an engine's own
// bounds.
type backupReader struct {
	in       *bufio.Reader
	sum      hash.Hash
	revision int64
	count    uint64
	last     string
}

func newBackupReader(r io.Reader) (*backupReader, error) {
	b := &backupReader{in: bufio.NewReaderSize(r, 1<<16), sum: sha256.New()}
	magic, err := b.bytes(len(backupMagic))
	if err != nil || string(magic) != backupMagic {
		return nil, fmt.Errorf("%w: it does not begin like one", ErrBackup)
	}
	format, err := b.number(1<<63 - 1)
	if err != nil {
		return nil, err
	}
	if format > backupFormat {
		return nil, fmt.Errorf("%w: the backup's format is %d, this program knows up to %d", ErrFormat, format, backupFormat)
	}
	b.revision, err = b.number(1<<63 - 1)
	if err == nil && b.revision == 0 {
		err = fmt.Errorf("%w: it is of revision 0", ErrBackup)
	}
	return b, err
}

// next gives the next record, and io.EOF once the end was reached and is right.
func (b *backupReader) next() (Record, error) {
	kind, err := b.bytes(1)
	if err != nil {
		return Record{}, err
	}
	switch kind[0] {
	case backupRecord:
		return b.record()
	case backupEnd:
		return Record{}, b.end()
	}
	return Record{}, fmt.Errorf("%w: record %d begins with %d", ErrBackup, b.count, kind[0])
}

func (b *backupReader) record() (Record, error) {
	key, err := b.chunk(MaxKey)
	if err != nil {
		return Record{}, err
	}
	r := Record{Key: string(key)}
	if r.Revision, err = b.number(b.revision); err != nil {
		return Record{}, err
	}
	if r.Value, err = b.chunk(MaxValue); err != nil {
		return Record{}, err
	}
	if r.Key <= b.last || r.Revision == 0 {
		return Record{}, fmt.Errorf("%w: %q at revision %d after %q", ErrBackup, r.Key, r.Revision, b.last)
	}
	b.last = r.Key
	b.count++
	return r, nil
}

func (b *backupReader) end() error {
	count, err := b.number(1<<63 - 1)
	if err != nil {
		return err
	}
	if uint64(count) != b.count {
		return fmt.Errorf("%w: it has %d records, it should have %d", ErrBackup, b.count, count)
	}
	want := b.sum.Sum(nil)
	got, err := b.bytes(len(want))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%w: its checksum is wrong", ErrBackup)
	}
	return io.EOF
}

// chunk reads a length and as many bytes.
func (b *backupReader) chunk(limit int64) ([]byte, error) {
	n, err := b.number(limit)
	if err != nil {
		return nil, err
	}
	return b.bytes(int(n))
}

// number reads an unsigned varint that is at most limit.
func (b *backupReader) number(limit int64) (int64, error) {
	var n uint64
	for shift := 0; shift < 63; shift += 7 {
		c, err := b.bytes(1)
		if err != nil {
			return 0, err
		}
		n |= uint64(c[0]&0x7f) << shift
		if c[0] < 0x80 {
			if n > uint64(limit) {
				return 0, fmt.Errorf("%w: %d where at most %d can be", ErrBackup, n, limit)
			}
			return int64(n), nil
		}
	}
	return 0, fmt.Errorf("%w: a number without an end", ErrBackup)
}

// bytes reads n bytes into memory of their own.
func (b *backupReader) bytes(n int) ([]byte, error) {
	p := make([]byte, n)
	if _, err := io.ReadFull(b.in, p); err != nil {
		return nil, damaged(err)
	}
	b.sum.Write(p)
	return p, nil
}

// damaged tells a backup that is cut off from one that cannot be read.
func damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut off", ErrBackup)
	}
	return err
}
