package logs

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"
)

// maxLine bounds the bytes of one line; what is more is cut off.
const maxLine = 64 << 10

// Line is one line of a log.
type Line struct {
	source int
	at     int64 // nanoseconds since 1970; 0 when the line does not say
	text   string
}

// stampLayout is the form in which lines go to the browser: of one length, so
// that times compare as texts.
const stampLayout = "2006-01-02T15:04:05.000000000Z"

func (l *Line) stamp() string {
	if l.at == 0 {
		return ""
	}
	return time.Unix(0, l.at).UTC().Format(stampLayout)
}

// parseLine takes the time off a line's beginning.
func parseLine(source int, p []byte) Line {
	p = bytes.TrimSuffix(p, []byte("\r"))
	if i := bytes.IndexByte(p, ' '); i > 0 || len(p) > 0 && i < 0 {
		head, rest := p, p[len(p):]
		if i > 0 {
			head, rest = p[:i], p[i+1:]
		}
		if at, err := time.Parse(time.RFC3339Nano, string(head)); err == nil {
			return Line{source, at.UnixNano(), text(rest)}
		}
	}
	return Line{source: source, text: text(p)}
}

func text(p []byte) string {
	if utf8.Valid(p) {
		return string(p)
	}
	return strings.ToValidUTF8(string(p), "\uFFFD")
}

// splitter cuts a stream of bytes into lines. A line that is too long is cut off
// where it is.
type splitter struct {
	line    func(p []byte) error
	pending []byte
	// skipping tells that the rest of a line is thrown away.
	skipping bool
}

var cutMark = []byte(" … cut")

// Write takes the next bytes.
func (s *splitter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			return n, s.keep(p)
		}
		piece := p[:i]
		p = p[i+1:]
		if s.skipping {
			s.skipping = false
			continue
		}
		if len(s.pending) > 0 {
			if err := s.keep(piece); err != nil {
				return 0, err
			}
			if s.skipping {
				s.skipping = false
				continue
			}
			piece = s.pending
		} else if len(piece) > maxLine {
			piece = append(bytes.Clone(piece[:maxLine]), cutMark...)
		}
		err := s.line(piece)
		s.pending = s.pending[:0]
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

// keep keeps a line that has not ended.
func (s *splitter) keep(p []byte) error {
	if s.skipping {
		return nil
	}
	s.pending = append(s.pending, p...)
	if len(s.pending) <= maxLine {
		return nil
	}
	err := s.line(append(s.pending[:maxLine:maxLine], cutMark...))
	s.pending, s.skipping = nil, true
	return err
}

// Flush does nothing: lines that have ended have been handed over.
func (*splitter) Flush() error { return nil }

// end hands over the last line, which no line feed ends.
func (s *splitter) end() error {
	if len(s.pending) == 0 || s.skipping {
		return nil
	}
	p := s.pending
	s.pending = nil
	return s.line(p)
}
