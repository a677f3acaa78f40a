package storage

import "strconv"

// Digits is the number of digits of a revision: the length of the hole that an
// encoder leaves so that the engine need not splice.
func Digits(revision int64) int {
	n := 1
	for revision >= 10 {
		revision /= 10
		n++
	}
	return n
}

// Fill writes the revision's digits into the hole of value and gives the bytes
// and where the digits now are. With the same number of digits it writes in
// place; otherwise the bytes are new. The zero Hole leaves value alone.
func (h Hole) Fill(value []byte, revision int64) ([]byte, Hole) {
	if h == (Hole{}) {
		return value, h
	}
	if Digits(revision) != h.Len {
		return h.Splice(value, revision)
	}
	strconv.AppendInt(value[:h.Offset], revision, 10)
	return value, h
}

// Splice is Fill into a new buffer; value stays as it is, so it may be shared.
func (h Hole) Splice(value []byte, revision int64) ([]byte, Hole) {
	if h == (Hole{}) {
		return append([]byte(nil), value...), h
	}
	n := Digits(revision)
	b := make([]byte, 0, len(value)-h.Len+n)
	b = append(b, value[:h.Offset]...)
	b = strconv.AppendInt(b, revision, 10)
	b = append(b, value[h.Offset+h.Len:]...)
	return b, Hole{h.Offset, n}
}

// FindHole finds the digits of metadata.resourceVersion in an object's JSON:
// the string member "resourceVersion" of the object member "metadata" of the
// top level. It is false when there is none, when it is no string of digits
// (an empty string is one), or when the bytes up to there are no JSON. Names
// that are written with escapes are not recognised: no encoder of ours writes
// such. What comes after the hole is not looked at.
func FindHole(json []byte) (Hole, bool) {
	s := scanner{b: json}
	if !s.member("metadata") || !s.member("resourceVersion") {
		return Hole{}, false
	}
	start, end, ok := s.str()
	if !ok {
		return Hole{}, false
	}
	for _, c := range json[start:end] {
		if c < '0' || c > '9' {
			return Hole{}, false
		}
	}
	return Hole{start, end - start}, true
}

// scanner walks over JSON without decoding it. Its steps are false when the
// bytes are not what they look for, and never read outside them.
type scanner struct {
	b []byte
	i int
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// char steps over white space and c.
func (s *scanner) char(c byte) bool {
	s.space()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// str steps over a string and gives where its inside is.
func (s *scanner) str() (start, end int, ok bool) {
	if !s.char('"') {
		return 0, 0, false
	}
	start = s.i
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case '"':
			s.i++
			return start, s.i - 1, true
		case '\\':
			s.i += 2
		default:
			s.i++
		}
	}
	return 0, 0, false
}

// member steps into an object up to the value of the member called name.
func (s *scanner) member(name string) bool {
	if !s.char('{') {
		return false
	}
	for {
		start, end, ok := s.str()
		if !ok || !s.char(':') {
			return false
		}
		if string(s.b[start:end]) == name {
			return true
		}
		if !s.value() || !s.char(',') {
			return false
		}
	}
}

// value steps over any value. Brackets are counted, not matched: the bytes
// come from an encoder.
func (s *scanner) value() bool {
	s.space()
	depth := 0
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case '"':
			if _, _, ok := s.str(); !ok {
				return false
			}
			if depth == 0 {
				return true
			}
		case '{', '[':
			depth++
			s.i++
		case '}', ']':
			if depth == 0 {
				return true
			}
			depth--
			s.i++
			if depth == 0 {
				return true
			}
		case ',':
			if depth == 0 {
				return true
			}
			s.i++
		default:
			s.i++
		}
	}
	return false
}
