package messages

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"sync"
)

// Script is what browsers load of a language before the dashboard's scripts: the
// messages that those have.
type Script struct {
	// Name carries a hash, so that browsers may keep it for ever.
	Name string
	Body []byte
}

// Entry is a message in catalogue/en.json.
type Entry struct {
	// One is the form for one, of messages about a number.
	One string `json:"one,omitempty"`
	// In are the files that have the message.
	In []string `json:"in"`
}

// All gives all messages, as collect found them.
var All = sync.OnceValue(func() map[string]Entry {
	raw, err := catalogue.ReadFile("catalogue/en.json")
	if err != nil {
		panic("BUG: " + err.Error())
	}
	all := map[string]Entry{}
	if err := json.Unmarshal(raw, &all); err != nil {
		panic("BUG: catalogue en: " + err.Error())
	}
	return all
})

// scripts are where messages of scripts are.
const scripts = "static/src/"

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
		for text, e := range All() {
			if !ofScripts(e) {
				continue
			}
			f := l.table()[text]
			if e.One == "" {
				texts[text] = f[formNames["other"]]
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

func ofScripts(e Entry) bool {
	for _, in := range e.In {
		if strings.HasPrefix(in, scripts) {
			return true
		}
	}
	return false
}
