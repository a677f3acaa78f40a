package rows

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

// sortKey gives a text whose byte order is the natural order of values: numbers
// by their value wherever they stand ("web-9" before "web-10", "3 (5m ago)"
// before "10"), durations by their length, empty values last.
func sortKey(value string) string {
	switch value {
	case "", "<none>", "<unset>", "<unknown>", "<nil>":
		return "\xff"
	}
	if d, ok := duration(value); ok {
		return "\x01" + number(uint64(d))
	}
	var b strings.Builder
	b.WriteByte(2)
	for i := 0; i < len(value); {
		c := value[i]
		if c < '0' || c > '9' {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			b.WriteByte(c)
			i++
			continue
		}
		j := i
		for j < len(value) && value[j] >= '0' && value[j] <= '9' {
			j++
		}
		digits := strings.TrimLeft(value[i:j], "0")
		// The length first: a longer number is a larger one.
		b.WriteByte('0')
		b.WriteByte(byte(min(len(digits), 255)))
		b.WriteString(digits)
		i = j
	}
	return b.String()
}

func number(n uint64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	return string(b[:])
}

// timeKey is sortKey of a moment, the youngest first: that is how ages grow.
func timeKey(t time.Time) string {
	if t.IsZero() {
		return "\xff"
	}
	return "\x01" + number(uint64(1<<62-t.UnixNano()/int64(time.Millisecond)))
}

var units = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'y': 365 * 24 * time.Hour}

// duration reads a duration as kubectl writes ages: "5d3h", "90s".
func duration(s string) (time.Duration, bool) {
	var total time.Duration
	for s != "" {
		i := 0
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		if i == 0 || i == len(s) || i > 9 {
			return 0, false
		}
		unit, ok := units[s[i]]
		n, err := strconv.Atoi(s[:i])
		if !ok || err != nil {
			return 0, false
		}
		total += time.Duration(n) * unit
		s = s[i+1:]
	}
	return total, true
}
