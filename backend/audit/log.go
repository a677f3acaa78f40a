package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"gopkg.in/natefinch/lumberjack.v2"
)

// The formats of the log.
const (
	FormatJSON   = "json"
	FormatLegacy = "legacy"
)

// LogOptions say where the log is and how it is kept, as the flags
// --audit-log-... do.
type LogOptions struct {
	// Path is the file; "-" is standard output.
	Path   string
	Format string
	// MaxAge is in days, MaxSize in megabytes; 0 is no limit.
	MaxAge, MaxBackups, MaxSize int
	Compress                    bool
	Mode                        string
	Batch                       BatchOptions
}

// The modes of a sink.
const (
	ModeBatch          = "batch"
	ModeBlocking       = "blocking"
	ModeBlockingStrict = "blocking-strict"
)

const pluginLog = "log"

// OpenLog opens the log.
func OpenLog(o LogOptions) (Sink, error) {
	w, err := openWriter(&o)
	if err != nil {
		return nil, fmt.Errorf("open the audit log: %w", err)
	}
	l := &logFile{w: w, legacy: o.Format == FormatLegacy, torn: endsTorn(o.Path)}
	if o.Mode == ModeBatch {
		return newBatcher(pluginLog, o.Batch, l), nil
	}
	return &blocking{plugin: pluginLog, to: l, strict: o.Mode == ModeBlockingStrict}, nil
}

func openWriter(o *LogOptions) (io.WriteCloser, error) {
	if o.Path == "-" {
		return standardOutput{}, nil
	}
	if err := os.MkdirAll(filepath.Dir(o.Path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(o.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil || o.MaxSize == 0 {
		return f, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return &lumberjack.Logger{Filename: o.Path, MaxAge: o.MaxAge, MaxBackups: o.MaxBackups, MaxSize: o.MaxSize, Compress: o.Compress}, nil
}

// endsTorn tells whether a file's last line has no end: a crash or a full disk
// left it so.
func endsTorn(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false
	}
	last := []byte{'\n'}
	_, err = f.ReadAt(last, info.Size()-1)
	return err == nil && last[0] != '\n'
}

type standardOutput struct{}

// Write writes to standard output.
func (standardOutput) Write(p []byte) (int, error) { return os.Stdout.Write(p) }

// Close leaves it open.
func (standardOutput) Close() error { return nil }

// destination takes encoded events: one after the other, or many at once.
type destination interface {
	// encode gives an event as it is sent, valid until the event is changed.
	encode(e *Event) []byte
	// send sends encoded events, which are count in data. ctx ends when there is
	// no time left.
	send(ctx context.Context, data []byte, count int) error
	close() error
}

// logFile writes lines.
type logFile struct {
	legacy bool

	mu sync.Mutex // guards the fields below
	w  io.WriteCloser
	// torn tells that the last line was not written to its end: the next one is
	// not to be part of it.
	torn bool
}

func (l *logFile) encode(e *Event) []byte {
	if l.legacy {
		return []byte(e.Legacy())
	}
	return e.Line()
}

func (l *logFile) send(_ context.Context, data []byte, _ int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w == nil {
		return errClosed
	}
	if l.torn {
		if _, err := l.w.Write([]byte{'\n'}); err != nil {
			return err
		}
		l.torn = false
	}
	n, err := l.w.Write(data)
	l.torn = err != nil && n > 0
	return err
}

func (l *logFile) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w == nil {
		return nil
	}
	w := l.w
	l.w = nil
	return w.Close()
}

var errClosed = errors.New("the audit log is closed")

// blocking sends each event before the request goes on. Unless it is strict the
// request goes on whatever happens.
type blocking struct {
	plugin string
	to     destination
	strict bool
	late   atomic.Bool // an event has come after the end
}

// Write sends the event.
func (b *blocking) Write(e *Event) error {
	err := b.to.send(context.Background(), b.to.encode(e), 1)
	switch {
	case errors.Is(err, errClosed):
		loseLate(b.plugin, !b.late.Swap(true))
	case err != nil:
		lose(b.plugin, 1, err)
	}
	if !b.strict {
		return nil
	}
	return err
}

// Close closes the destination.
func (b *blocking) Close(context.Context) error { return b.to.close() }
