package admissionregistration

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"pilothouse/backend/admission/cel"
	"pilothouse/backend/resources/validate"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

const maxMatchConditions = 64

// known are the expressions that an object has already: they are compiled with
// all that this server understands, new ones with what the release before does
// too, so that a rollback finds none that it cannot run.
type known map[string]bool

func (k known) mode(text string) environment.Type {
	if k[text] {
		return environment.StoredExpressions
	}
	return environment.NewExpressions
}

func (k known) add(conditions []admissionregistrationv1.MatchCondition) known {
	for _, c := range conditions {
		k[c.Expression] = true
	}
	return k
}

// compileError gives the field error of an expression that does not compile,
// nil if it does. shown is the text that the error shows.
func compileError(c cel.Compiled, shown string, at *field.Path) field.ErrorList {
	if c.Err == nil {
		return nil
	}
	switch c.Err.Type {
	case apiservercel.ErrorTypeRequired:
		return field.ErrorList{field.Required(at, c.Err.Detail)}
	case apiservercel.ErrorTypeInvalid:
		return field.ErrorList{field.Invalid(at, shown, c.Err.Detail)}
	}
	return field.ErrorList{field.InternalError(at, c.Err)}
}

// validateMatchConditions checks conditions, which see params only where there
// is a kind for them.
func validateMatchConditions(conditions []admissionregistrationv1.MatchCondition, params bool, old known, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(conditions) > maxMatchConditions {
		errs = append(errs, field.TooMany(at, len(conditions), maxMatchConditions))
	}
	names := map[string]bool{}
	for i, c := range conditions {
		errs = append(errs, validateMatchCondition(&c, params, old, at.Index(i))...)
		if c.Name != "" && names[c.Name] {
			errs = append(errs, field.Duplicate(at.Index(i).Child("name"), c.Name))
		}
		names[c.Name] = true
	}
	return errs
}

func validateMatchCondition(c *admissionregistrationv1.MatchCondition, params bool, old known, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	text := strings.TrimSpace(c.Expression)
	if text == "" {
		errs = append(errs, field.Required(at.Child("expression"), ""))
	} else {
		compiled := cel.Plain().Compile(cel.Condition(text), cel.Declared{Params: params, Authorizer: true}, old.mode(text))
		errs = append(errs, compileError(compiled, text, at.Child("expression"))...)
	}
	if c.Name == "" {
		return append(errs, field.Required(at.Child("name"), ""))
	}
	return append(errs, validate.QualifiedName(c.Name, at.Child("name"))...)
}

// policyCompiler compiles the expressions of one policy; it makes a compiler
// with variables only for a policy that has some.
func policyCompiler(variables []admissionregistrationv1.Variable) (*cel.Compiler, error) {
	if len(variables) == 0 {
		return cel.Plain(), nil
	}
	return cel.NewComposed()
}

// validateVariables checks variables in order, each of which may use those
// before it, and makes them known to the compiler.
func validateVariables(c *cel.Compiler, variables []admissionregistrationv1.Variable, declared cel.Declared, old known, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, v := range variables {
		name, expression := at.Index(i).Child("name"), at.Index(i).Child("expression")
		if strings.TrimSpace(v.Name) == "" {
			errs = append(errs, field.Required(name, "name is not specified"))
		} else if !isIdentifier(v.Name) {
			errs = append(errs, field.Invalid(name, v.Name, "must be a valid CEL identifier"))
		}
		if strings.TrimSpace(v.Expression) == "" {
			errs = append(errs, field.Required(expression, "expression is not specified"))
			continue
		}
		errs = append(errs, compileError(c.AddVariable(v.Name, v.Expression, declared, old.mode(v.Expression)), v.Expression, expression)...)
	}
	return errs
}

var identifier = regexp.MustCompile("^[_a-zA-Z][_a-zA-Z0-9]*$")

// reserved are the words that CEL keeps for itself.
var reserved = []string{
	"true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
	"loop", "package", "namespace", "return", "var", "void", "while",
}

func isIdentifier(name string) bool {
	return identifier.MatchString(name) && !slices.Contains(reserved, name)
}

// validateParamKind wants the version and kind of parameters.
func validateParamKind(k *admissionregistrationv1.ParamKind, at *field.Path) field.ErrorList {
	errs := validateParamVersion(k.APIVersion, at.Child("apiVersion"))
	if k.Kind == "" {
		return append(errs, field.Required(at.Child("kind"), ""))
	}
	if messages := dnsLabel(strings.ToLower(k.Kind)); messages != "" {
		errs = append(errs, field.Invalid(at.Child("kind"), k.Kind, "may have mixed case, but should otherwise match: "+messages))
	}
	return errs
}

func validateParamVersion(text string, at *field.Path) field.ErrorList {
	if text == "" {
		return field.ErrorList{field.Required(at, "")}
	}
	group, version, both := strings.Cut(text, "/")
	switch {
	case text == "/":
		group, version = "", ""
	case strings.Count(text, "/") > 1:
		return field.ErrorList{field.Invalid(at, text, fmt.Sprintf("unexpected GroupVersion string: %v", text))}
	case !both:
		group, version = "", text
	}
	var errs field.ErrorList
	if group != "" {
		if messages := dnsSubdomain(group); messages != "" {
			errs = append(errs, field.Invalid(at, group, messages))
		}
	}
	if version == "" {
		return append(errs, field.Invalid(at, text, "version must be specified"))
	}
	if messages := dnsLabel(version); messages != "" {
		errs = append(errs, field.Invalid(at, version, messages))
	}
	return errs
}

// dnsLabel and dnsSubdomain give all that is wrong in one text.
func dnsLabel(s string) string     { return strings.Join(validation.IsDNS1035Label(s), ",") }
func dnsSubdomain(s string) string { return strings.Join(validation.IsDNS1123Subdomain(s), ",") }
