package job

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// indexes is a set of completion indexes; its text is "0-3,5".
type indexes map[int]bool

// maxIndexes bounds what is read from a status, which anybody may have written.
const maxIndexes = 100_000

// parseIndexes reads the text form; what makes no sense is left out.
func parseIndexes(s string) indexes {
	out := indexes{}
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		if err != nil {
			continue
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(to); err != nil {
				continue
			}
		}
		for i := a; i <= b && len(out) < maxIndexes; i++ {
			out[i] = true
		}
	}
	return out
}

func (x indexes) add(i int) { x[i] = true }

// String gives the text form: runs of three and more are written as ranges, two as
// well.
func (x indexes) String() string {
	var out []string
	sorted := slices.Sorted(maps.Keys(x))
	for i := 0; i < len(sorted); {
		j := i
		for j+1 < len(sorted) && sorted[j+1] == sorted[j]+1 {
			j++
		}
		switch {
		case j == i:
			out = append(out, strconv.Itoa(sorted[i]))
		case j == i+1:
			out = append(out, strconv.Itoa(sorted[i]), strconv.Itoa(sorted[j]))
		default:
			out = append(out, strconv.Itoa(sorted[i])+"-"+strconv.Itoa(sorted[j]))
		}
		i = j + 1
	}
	return strings.Join(out, ",")
}
