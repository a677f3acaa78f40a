package logging

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// format is the flag --logging-format.
type format struct{ name string }

// Set takes text or json.
func (f *format) Set(name string) error {
	switch name {
	case "text":
		klog.ClearLogger()
	case "json":
		klog.SetLogger(logr.New(&jsonSink{out: &output{w: os.Stderr}}))
	default:
		return fmt.Errorf("%q is neither text nor json", name)
	}
	f.name = name
	return nil
}

// String is the format in use.
func (f *format) String() string { return f.name }

// Type is what help shows.
func (f *format) Type() string { return "string" }

// output writes whole lines.
type output struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

// jsonSink writes a JSON object a line, with the fields that Kubernetes' programs
// have: ts (milliseconds of Unix time), caller, msg, v for what is no error, err,
// and the pairs of the call.
type jsonSink struct {
	out    *output
	depth  int
	name   string
	values []any
}

// Init tells how deep the caller is.
func (s *jsonSink) Init(info logr.RuntimeInfo) { s.depth = info.CallDepth }

// Enabled is always true: klog has asked already.
func (*jsonSink) Enabled(int) bool { return true }

// Info writes a message.
func (s *jsonSink) Info(level int, msg string, pairs ...any) {
	b := s.begin(msg)
	b = strconv.AppendInt(append(b, `,"v":`...), int64(level), 10)
	s.end(b, pairs)
}

// Error writes an error.
func (s *jsonSink) Error(err error, msg string, pairs ...any) {
	b := s.begin(msg)
	if err != nil {
		b = appendJSON(append(b, `,"err":`...), err.Error())
	}
	s.end(b, pairs)
}

// WithValues adds pairs to every line.
func (s *jsonSink) WithValues(pairs ...any) logr.LogSink {
	t := *s
	t.values = append(s.values[:len(s.values):len(s.values)], pairs...)
	return &t
}

// WithName adds to the name of the logger.
func (s *jsonSink) WithName(name string) logr.LogSink {
	t := *s
	if t.name != "" {
		name = t.name + "." + name
	}
	t.name = name
	return &t
}

// WithCallDepth looks for the caller further up.
func (s *jsonSink) WithCallDepth(n int) logr.LogSink {
	t := *s
	t.depth += n
	return &t
}

func (s *jsonSink) begin(msg string) []byte {
	b := append(make([]byte, 0, 256), `{"ts":`...)
	b = strconv.AppendFloat(b, float64(time.Now().UnixNano())/1e6, 'f', 4, 64)
	if s.name != "" {
		b = appendJSON(append(b, `,"logger":`...), s.name)
	}
	if _, file, line, ok := runtime.Caller(s.depth + 2); ok {
		b = appendJSON(append(b, `,"caller":`...), filepath.Join(filepath.Base(filepath.Dir(file)), filepath.Base(file))+":"+strconv.Itoa(line))
	}
	return appendJSON(append(b, `,"msg":`...), msg)
}

func (s *jsonSink) end(b []byte, pairs []any) {
	for _, list := range [][]any{s.values, pairs} {
		for i := 0; i < len(list); i += 2 {
			b = appendJSON(append(b, ','), fmt.Sprint(list[i]))
			b = append(b, ':')
			if i+1 < len(list) {
				b = appendJSON(b, plain(list[i+1]))
			} else {
				b = append(b, "null"...)
			}
		}
	}
	b = append(b, '}', '\n')
	s.out.mu.Lock()
	defer s.out.mu.Unlock()
	s.out.w.Write(b) //nolint:errcheck // there is no one to tell
}

// plain is a value as JSON has it: errors, durations and what writes itself as
// text.
func plain(v any) any {
	switch v := v.(type) {
	case error:
		return v.Error()
	case time.Duration:
		return v.String()
	case logr.Marshaler:
		return v.MarshalLog()
	case fmt.Stringer:
		return v.String()
	}
	return v
}

func appendJSON(b []byte, v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		raw, _ = json.Marshal(fmt.Sprintf("%+v", v)) //nolint:errcheck // a string can be encoded
	}
	return append(b, raw...)
}
