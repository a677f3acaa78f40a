package builtin

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"pilothouse/backend/metrics"
)

// The streams of a container.
const (
	stdoutStream byte = 1
	stderrStream byte = 2
)

const (
	// pieceSize is how much of a program's output is read at once, and the
	// longest line that the log has in one piece.
	pieceSize = 16 << 10
	// stampFormat is that of the CRI's logs, which has all nine digits.
	stampFormat = "2006-01-02T15:04:05.000000000Z07:00"
	// drainTime is how long output is read after the end of who wrote it.
	drainTime = 2 * time.Second
)

// logFile is a container's log in the CRI's format.
type logFile struct {
	path  string
	clock func() time.Time

	mu  sync.Mutex
	f   *os.File // nil without a path
	buf []byte
}

func openLog(path string, clock func() time.Time) (*logFile, error) {
	l := &logFile{path: path, clock: clock}
	return l, l.reopen()
}

// reopen begins a new file under the name.
func (l *logFile) reopen() error {
	if l.path == "" {
		return nil
	}
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f != nil {
		l.f.Close()
	}
	l.f = f
	return nil
}

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.f != nil {
		l.f.Close()
		l.f = nil
	}
}

// write adds what one read has brought: whole lines, and the last one as a part
// if it has no end.
func (l *logFile) write(stream byte, p []byte, open bool) (stillOpen bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	stamp := l.clock().UTC()
	name := " stdout "
	if stream == stderrStream {
		name = " stderr "
	}
	l.buf = l.buf[:0]
	for len(p) > 0 {
		line, rest, whole := bytes.Cut(p, []byte{'\n'})
		tag := "F "
		if !whole {
			tag = "P "
		}
		l.buf = stamp.AppendFormat(l.buf, stampFormat)
		l.buf = append(append(append(l.buf, name...), tag...), line...)
		l.buf = append(l.buf, '\n')
		p, open = rest, !whole
	}
	if l.f != nil {
		l.f.Write(l.buf) //nolint:errcheck // a full disk must not stop the program
	}
	return open
}

// end closes a line that has begun.
func (l *logFile) end(stream byte) {
	l.write(stream, []byte{'\n'}, true)
}

// output is all that a container writes: it goes into the log and to those who
// are attached.
type output struct {
	log   *logFile
	pumps sync.WaitGroup

	mu    sync.Mutex
	ends  []io.Closer
	heard map[*listener]bool
}

// listener is somebody who is attached.
type listener struct {
	stdout, stderr io.Writer
}

func newOutput(log *logFile) *output { return &output{log: log, heard: map[*listener]bool{}} }

// pump copies a stream of the program from now on until its end.
func (o *output) pump(stream byte, from *os.File) {
	o.mu.Lock()
	o.ends = append(o.ends, from)
	o.mu.Unlock()
	o.pumps.Go(func() {
		defer metrics.Caught("node")
		buf, open := make([]byte, pieceSize), false
		for {
			n, err := from.Read(buf)
			if n > 0 {
				open = o.log.write(stream, buf[:n], open)
				o.tell(stream, buf[:n])
			}
			if err != nil {
				if open {
					o.log.end(stream)
				}
				return
			}
		}
	})
}

// tell passes a piece on. Whoever cannot be written to is not told again.
func (o *output) tell(stream byte, p []byte) {
	o.mu.Lock()
	list := make([]*listener, 0, len(o.heard))
	for l := range o.heard {
		list = append(list, l)
	}
	o.mu.Unlock()
	for _, l := range list {
		to := l.stdout
		if stream == stderrStream {
			to = l.stderr
		}
		if to == nil {
			continue
		}
		if _, err := to.Write(p); err != nil {
			o.mu.Lock()
			delete(o.heard, l)
			o.mu.Unlock()
		}
	}
}

// attach has somebody hear what is written from now on, until leave is called.
func (o *output) attach(stdout, stderr io.Writer) (leave func()) {
	l := &listener{stdout, stderr}
	o.mu.Lock()
	o.heard[l] = true
	o.mu.Unlock()
	return func() {
		o.mu.Lock()
		delete(o.heard, l)
		o.mu.Unlock()
	}
}

// drain waits for the rest of the output, not for ever: another process may hold
// it open.
func (o *output) drain() {
	done := make(chan struct{})
	go metrics.Guarded("node", func() { o.pumps.Wait(); close(done) })()
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	o.abandon()
	<-done
}

// abandon closes the streams and the log.
func (o *output) abandon() {
	o.mu.Lock()
	for _, e := range o.ends {
		e.Close()
	}
	o.ends = nil
	o.mu.Unlock()
	o.pumps.Wait()
	o.log.close()
}

// input is the standard input of a container, for those who attach.
type input struct {
	once bool

	mu sync.Mutex
	w  *os.File
}

func (i *input) to(w *os.File) {
	i.mu.Lock()
	i.w = w
	i.mu.Unlock()
}

// copy passes on what somebody writes, until they have enough.
func (i *input) copy(from io.Reader) {
	i.mu.Lock()
	w := i.w
	i.mu.Unlock()
	if w == nil {
		io.Copy(io.Discard, from) //nolint:errcheck // nobody listens
		return
	}
	_, err := io.Copy(w, from)
	if i.once && !errors.Is(err, os.ErrClosed) {
		i.close()
	}
}

func (i *input) close() {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.w != nil {
		i.w.Close()
		i.w = nil
	}
}
