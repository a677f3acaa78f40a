package workload

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strconv"

	"k8s.io/apimachinery/pkg/util/rand"
)

// Hash gives a short name for a value, such as a template: another one when the
// value or collisions, the count of names that were taken, is another.
func Hash(value any, collisions *int32) string {
	h := fnv.New32a()
	raw, err := json.Marshal(value)
	if err != nil {
		raw = fmt.Append(nil, value)
	}
	h.Write(raw) //nolint:errcheck // a hash takes everything
	if collisions != nil {
		h.Write([]byte(strconv.Itoa(int(*collisions)))) //nolint:errcheck // the same
	}
	return rand.SafeEncodeString(fmt.Sprint(h.Sum32()))
}
