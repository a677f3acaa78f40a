package registry

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// continueToken is where a list in pages goes on: the form is Kubernetes' own.
// Start is the key after which to go on, relative to the list's scope. A
// resourceVersion of -1 means whatever is newest.
type continueToken struct {
	APIVersion      string `json:"v"`
	ResourceVersion int64  `json:"rv"`
	Start           string `json:"start"`
}

const continueVersion = "meta.k8s.io/v1"

// encodeContinue makes the token for going on after the object key last.
func encodeContinue(last, scope string, revision int64) string {
	return continueAt(last+"\x00", scope, revision)
}

// continueAt makes the token for going on at the key from.
func continueAt(from, scope string, revision int64) string {
	b, err := json.Marshal(continueToken{continueVersion, revision, strings.TrimPrefix(from, scope)})
	if err != nil {
		panic(fmt.Sprintf("BUG: continue token: %v", err)) // strings and a number always encode
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

// decodeContinue gives the key to start from and the revision to list at, 0 for
// the newest. A token that is wrong gives a 400 Status.
func decodeContinue(token, scope string) (from string, revision int64, err error) {
	refuse := func(format string, a ...any) (string, int64, error) {
		return "", 0, apierrors.NewBadRequest("invalid continue token: continue key is not valid" + fmt.Sprintf(format, a...))
	}
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return refuse(": %v", err)
	}
	var c continueToken
	if err := json.Unmarshal(data, &c); err != nil {
		// The type has the name of Kubernetes' own.
		return refuse(": %s", strings.Replace(err.Error(), "registry.continueToken", "storage.continueToken", 1))
	}
	switch {
	case c.APIVersion != continueVersion:
		return refuse(": server does not recognize this encoded version %s", c.APIVersion)
	case c.ResourceVersion == 0:
		return refuse(": incorrect encoded start resourceVersion (version %s)", continueVersion)
	case c.Start == "":
		return refuse(": encoded start key empty (version %s)", continueVersion)
	}
	// A start that climbs out of the scope would read what the caller may not.
	key := c.Start
	if !strings.HasPrefix(key, "/") {
		key = "/" + key
	}
	if path.Clean(key) != key {
		return refuse(": %s", c.Start)
	}
	return scope + key[1:], max(c.ResourceVersion, 0), nil
}
