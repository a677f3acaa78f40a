package messages

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"strings"
	"sync"

	"golang.org/x/text/feature/plural"
)

// Script is what browsers load of a language before the dashboard's scripts: the
// messages that those have.
type Script struct {
	// Name carries a hash, so that browsers may keep it for ever.
	Name string
	Body []byte
}

// ofScripts lists the messages that scripts have, one JSON string a line, as
// collect found them.
//
//go:embed scripts.jsonl
var ofScripts string

var made = sync.OnceValue(func() map[string]*Script {
	all := map[string]*Script{}
	for _, l := range append([]*Language{pseudo}, Languages...) {
		if l != english {
			all[l.Tag] = script(l)
		}
	}
	return all
})

// Script gives what browsers load, nil for English.
func (l *Language) Script() *Script {
	if l == nil || l == english {
		return nil
	}
	return made()[l.Tag]
}

// FindScript gives a script by its name.
func FindScript(name string) *Script {
	for _, s := range made() {
		if s.Name == name {
			return s
		}
	}
	return nil
}

func script(l *Language) *Script {
	texts := map[string]any{}
	if l.table != nil {
		for line := range strings.Lines(ofScripts) {
			var text string
			if err := json.Unmarshal([]byte(line), &text); err != nil {
				panic("BUG: scripts.jsonl: " + err.Error())
			}
			f := l.table()[text]
			if len(f) == 1 {
				texts[text] = f[plural.Other]
				continue
			}
			named := map[string]string{}
			for name, form := range formNames {
				if s, ok := f[form]; ok {
					named[name] = s
				}
			}
			texts[text] = named
		}
	}
	raw, err := json.Marshal(map[string]any{"language": l.Tag, "pseudo": l.pseudo, "texts": texts})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	body := append(append([]byte("globalThis.pilothouseMessages="), raw...), '\n')
	sum := sha256.Sum256(body)
	return &Script{Name: l.Tag + "-" + hex.EncodeToString(sum[:4]) + ".js", Body: body}
}
