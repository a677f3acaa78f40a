package storage

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

func sampleBackup() []byte {
	var b bytes.Buffer
	w := newBackupWriter(&b, 300)
	w.record(Record{Key: "a", Value: []byte(`{"a":1}`), Revision: 7})
	w.record(Record{Key: "b", Value: nil, Revision: 300})
	if err := w.end(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// TestBackupFormat pins the bytes: a backup of today is to be read for ever.
func TestBackupFormat(t *testing.T) {
	want := "PILOTHOUSE BACKUP\n\x01\xac\x02" + "\x01\x01a\x07\x07{\"a\":1}" + "\x01\x01b\xac\x02\x00" + "\x00\x02"
	got := sampleBackup()
	if string(got[:len(got)-32]) != want {
		t.Errorf("got %q, want %q", got[:len(got)-32], want)
	}
}

// FuzzRestore reads arbitrary bytes: no panic, no more memory than the bounds,
// records in order; and only what a writer writes is taken to the end.
func FuzzRestore(f *testing.F) {
	f.Add(sampleBackup())
	f.Add([]byte("PILOTHOUSE BACKUP\n\x01\x05\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Add([]byte("PILOTHOUSE BACKUP\n\x01\x05\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := newBackupReader(bytes.NewReader(data))
		if err != nil {
			return
		}
		var again bytes.Buffer
		w := newBackupWriter(&again, r.revision)
		for {
			rec, err := r.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			w.record(rec)
		}
		if err := w.end(); err != nil || !bytes.HasPrefix(data, again.Bytes()) {
			t.Fatalf("%q was taken for a backup, %q is one (%v)", data, again.Bytes(), err)
		}
	})
}
