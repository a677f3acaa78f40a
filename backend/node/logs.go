package node

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The CRI's log format is one line a write:
//
//	2026-11-25T12:00:00.123456789Z stdout F the text
//
// with P in place of F for a part of a line whose rest follows.

const (
	// logPiece is how much of a log is read at once.
	logPiece = 64 << 10
	// followFast and followSlow bound the wait for more of a log that is
	// followed: short after there was something, longer when nothing comes.
	followFast = 5 * time.Millisecond
	followSlow = 200 * time.Millisecond
	// maxLogSize and keptLogs are kubelets': a log of ten megabytes is put aside,
	// and five of them are kept.
	maxLogSize  = 10 << 20
	keptLogs    = 5
	rotateEvery = 10 * time.Second
)

// logOptions are those of one request for a log.
type logOptions struct {
	follow, timestamps bool
	since              time.Time
	tail, limit        int64 // -1 for all
	stream             string
}

// errEnough ends a log at its limit.
var errEnough = errors.New("enough")

// logWriter writes the lines of a log as one request wants them.
type logWriter struct {
	o     logOptions
	out   io.Writer
	left  int64
	since string
	// within tells, by stream, that the last piece was not the end of its line.
	within map[string]bool
	buf    []byte
}

func newLogWriter(o logOptions, out io.Writer) *logWriter {
	w := &logWriter{o: o, out: out, left: o.limit, within: map[string]bool{}}
	if !o.since.IsZero() {
		w.since = o.since.UTC().Format(time.RFC3339Nano)
	}
	return w
}

// line takes one line of the file, without its end.
func (w *logWriter) line(line []byte) error {
	stamp, rest, ok := bytes.Cut(line, []byte{' '})
	stream, rest, ok2 := bytes.Cut(rest, []byte{' '})
	tag, text, ok3 := bytes.Cut(rest, []byte{' '})
	if !ok || !ok2 || !ok3 {
		return nil // not of this format
	}
	if w.o.stream != "" && string(stream) != w.o.stream {
		return nil
	}
	if w.since != "" && before(stamp, w.o.since) {
		return nil
	}
	w.buf = w.buf[:0]
	if w.o.timestamps && !w.within[string(stream)] {
		w.buf = append(append(w.buf, stamp...), ' ')
	}
	w.buf = append(w.buf, text...)
	partial := len(tag) > 0 && tag[0] == 'P'
	w.within[string(stream)] = partial
	if !partial {
		w.buf = append(w.buf, '\n')
	}
	if w.left >= 0 {
		if int64(len(w.buf)) >= w.left {
			_, err := w.out.Write(w.buf[:w.left])
			return errors.Join(errEnough, err)
		}
		w.left -= int64(len(w.buf))
	}
	_, err := w.out.Write(w.buf)
	return err
}

func before(stamp []byte, since time.Time) bool {
	t, err := time.Parse(time.RFC3339Nano, string(stamp))
	return err == nil && t.Before(since)
}

// readLog writes a container's log. A log that is followed lasts until the
// container has ended (running is false), the file is read and ctx is not over.
func readLog(ctx context.Context, file string, o logOptions, out io.Writer, flush func(), running func() bool) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { f.Close() }()
	if o.tail >= 0 {
		at, err := tailOffset(f, o.tail)
		if err != nil {
			return err
		}
		if _, err := f.Seek(at, io.SeekStart); err != nil {
			return err
		}
	}
	buffered := bufio.NewWriterSize(out, logPiece)
	w := newLogWriter(o, buffered)
	r := &lineReader{r: f, buf: make([]byte, 0, logPiece)}
	wait := followFast
	for {
		n, err := r.each(w.line)
		if flushErr := buffered.Flush(); err == nil || errors.Is(err, io.EOF) {
			if flushErr != nil {
				return flushErr
			}
		}
		switch {
		case errors.Is(err, errEnough):
			return nil
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case !o.follow:
			return nil
		}
		if n > 0 {
			flush()
			wait = followFast
			continue
		}
		if next, ok := replaced(f, file); ok {
			if more, err := r.each(w.line); more == 0 && err == nil || errors.Is(err, io.EOF) {
				f.Close()
				f, r.r = next, next
				continue
			}
			next.Close()
			continue
		}
		if !running() {
			// What was written before the end may have come after the last look.
			n, err := r.each(w.line)
			if e := buffered.Flush(); e != nil {
				return e
			}
			if n == 0 || err != nil && !errors.Is(err, io.EOF) {
				return nil
			}
			continue
		}
		if sleep(ctx, wait); ctx.Err() != nil {
			return nil
		}
		wait = min(2*wait, followSlow)
	}
}

// replaced tells that there is another file under the name, and opens it.
func replaced(f *os.File, name string) (*os.File, bool) {
	old, err := f.Stat()
	if err != nil {
		return nil, false
	}
	now, err := os.Stat(name)
	if err != nil || os.SameFile(old, now) {
		return nil, false
	}
	next, err := os.Open(name)
	return next, err == nil
}

// lineReader gives whole lines of a file that grows.
type lineReader struct {
	r   io.Reader
	buf []byte // read and not handed on: the beginning of a line
}

// each hands on the lines that are there; n is how many bytes were read.
func (l *lineReader) each(f func([]byte) error) (n int, err error) {
	for {
		if len(l.buf) == cap(l.buf) {
			l.buf = slices.Grow(l.buf, logPiece)
		}
		got, err := l.r.Read(l.buf[len(l.buf):cap(l.buf)])
		n += got
		l.buf = l.buf[:len(l.buf)+got]
		rest := l.buf
		for {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			if e := f(rest[:i]); e != nil {
				return n, e
			}
			rest = rest[i+1:]
		}
		l.buf = l.buf[:copy(l.buf, rest)]
		if err != nil {
			return n, err
		}
		if got == 0 || n >= 16*logPiece {
			return n, nil
		}
	}
}

// tailOffset gives where the last lines of a log begin. Parts of a line count
// as one line.
func tailOffset(f *os.File, lines int64) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	end := info.Size()
	if lines == 0 {
		return end, nil
	}
	var (
		at    = end
		carry []byte
		count int64
	)
	first := end // where the line begins that was counted last
	for at > 0 {
		n := min(int64(logPiece), at)
		piece := make([]byte, n, n+int64(len(carry)))
		if _, err := f.ReadAt(piece, at-n); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		at -= n
		piece = append(piece, carry...)
		for {
			body := piece
			if len(body) > 0 && body[len(body)-1] == '\n' {
				body = body[:len(body)-1]
			}
			i := bytes.LastIndexByte(body, '\n')
			if i < 0 && at > 0 {
				break
			}
			line := body[i+1:]
			if len(piece) > 0 && !partial(line) {
				if count == lines {
					return first, nil
				}
				count++
			}
			first = at + int64(i+1)
			piece = piece[:i+1]
			if len(piece) == 0 {
				break
			}
		}
		carry = piece
	}
	return first, nil
}

// partial tells a line of the log that another part follows.
func partial(line []byte) bool {
	words := bytes.SplitN(line, []byte{' '}, 4)
	return len(words) > 2 && len(words[2]) > 0 && words[2][0] == 'P'
}

// tailOf gives the end of a log as text.
func tailOf(file string, lines, bytesAtMost int64) (string, error) {
	var b bytes.Buffer
	err := readLog(context.Background(), file, logOptions{tail: lines, limit: -1}, &b, func() {}, func() bool { return false })
	text := b.String()
	if int64(len(text)) > bytesAtMost {
		text = text[int64(len(text))-bytesAtMost:]
	}
	return text, err
}

// rotateLogs puts logs aside that have become large.
func (a *Agent) rotateLogs(ctx context.Context) {
	for {
		if sleep(ctx, rotateEvery); ctx.Err() != nil {
			return
		}
		list, err := a.Runtime.ListContainers(ctx, "")
		if err != nil {
			continue
		}
		for _, c := range list {
			if c.State != cri.ContainerState_CONTAINER_RUNNING {
				continue
			}
			s, err := a.Runtime.ContainerStatus(ctx, c.Id)
			if err != nil || s.LogPath == "" {
				continue
			}
			if info, err := os.Stat(s.LogPath); err == nil && info.Size() > maxLogSize {
				a.rotate(ctx, c.Id, s.LogPath) //nolint:errcheck // tried again
			}
		}
	}
}

func (a *Agent) rotate(ctx context.Context, id, path string) error {
	if err := os.Rename(path, path+"."+a.Clock().UTC().Format("20060102-150405")); err != nil {
		return err
	}
	if err := a.Runtime.ReopenContainerLog(ctx, id); err != nil {
		return err
	}
	old, err := filepath.Glob(path + ".*")
	if err != nil {
		return err
	}
	slices.Sort(old)
	for len(old) > keptLogs-1 {
		if err := os.Remove(old[0]); err != nil {
			return err
		}
		old = old[1:]
	}
	return nil
}

// parseLogOptions reads the kubelet's query for a log.
func parseLogOptions(get func(string) string, now time.Time) (logOptions, error) {
	o := logOptions{tail: -1, limit: -1}
	var err error
	number := func(name string, into *int64, least int64) {
		if s := get(name); s != "" && err == nil {
			if *into, err = strconv.ParseInt(s, 10, 64); err != nil || *into < least {
				err = fmt.Errorf("%s: %q is no number from %d", name, s, least)
			}
		}
	}
	number("tailLines", &o.tail, 0)
	number("limitBytes", &o.limit, 1)
	since := int64(-1)
	number("sinceSeconds", &since, 1)
	if err != nil {
		return o, err
	}
	if since > 0 {
		o.since = now.Add(-time.Duration(since) * time.Second)
	}
	if s := get("sinceTime"); s != "" {
		if o.since, err = time.Parse(time.RFC3339, s); err != nil {
			return o, fmt.Errorf("sinceTime: %w", err)
		}
	}
	yes := func(name string) bool { b, err := strconv.ParseBool(get(name)); return err == nil && b }
	o.follow, o.timestamps = yes("follow"), yes("timestamps")
	switch s := get("stream"); s {
	case "", "All":
	case "Stdout", "Stderr":
		o.stream = strings.ToLower(s)
	default:
		return o, fmt.Errorf("stream: %q is none of All, Stdout, Stderr", s)
	}
	return o, nil
}

// missing tells an error of a log that is not there (yet).
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
