package projections

import (
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"sundial/domain"
)

// TestStates holds the states that are written by hand against json.Marshal, and reads them back, over values of all
// members, filled at random and left out at random. A member added to the domain fails here until it is written.
func TestStates(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	states := 5000
	if raceEnabled {
		states = 1000
	}
	for range states {
		app, account := new(domain.App), new(domain.Account)
		scatter(random, reflect.ValueOf(app).Elem())
		scatter(random, reflect.ValueOf(account).Elem())
		account.Apps = nil
		sameState(t, app, new(domain.App), func() ([]byte, error) { return appendApp(nil, app) })
		sameState(t, account, new(domain.Account), func() ([]byte, error) { return appendAccount(nil, account) })
	}
	if _, err := appendApp(nil, &domain.App{Name: "\xff"}); err == nil {
		t.Error("a name that is not UTF-8 was encoded")
	}
}

func sameState(t *testing.T, v, back any, encode func() ([]byte, error)) {
	t.Helper()
	want, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		t.Fatal(err)
	}
	got, err := encode()
	if err != nil || string(got) != string(want) {
		t.Fatalf("%v\n got %s\nwant %s", err, got, want)
	}
	if err := decodeState(got, back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v, back); diff != "" {
		t.Fatalf("read back (-want +got):\n%s", diff)
	}
}

// scattered is some values filled at random, each with another id.
func scattered[E any](random *rand.Rand, id func(*E) *string) []E {
	some := make([]E, 1+random.IntN(3))
	for i := range some {
		scatter(random, reflect.ValueOf(&some[i]).Elem())
		*id(&some[i]) += strconv.Itoa(i)
	}
	return some
}

// scatter fills a value at random; every other member stays zero, if it may.
func scatter(random *rand.Rand, v reflect.Value) {
	if v.Type() == reflect.TypeFor[domain.Span]() { // finer ones are not read
		v.SetInt(int64(time.Duration(1+random.IntN(1e6)) * time.Minute))
		return
	}
	switch v.Type() {
	case reflect.TypeFor[domain.Orders]():
		v.Set(reflect.ValueOf(domain.OrdersOf(scattered(random, func(o *domain.Order) *string { return &o.ID })...)))
		return
	case reflect.TypeFor[domain.Invoices]():
		v.Set(reflect.ValueOf(domain.InvoicesOf(scattered(random, func(i *domain.Invoice) *string { return &i.ID })...)))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		scatter(random, v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			optional := strings.Contains(v.Type().Field(i).Tag.Get("json"), ",omit")
			needed := v.Field(i).Type() == reflect.TypeFor[domain.Instant]() || v.Field(i).Kind() == reflect.Struct
			if (optional || !needed) && random.IntN(2) == 0 {
				continue
			}
			scatter(random, v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+random.IntN(3), 3))
		for i := range v.Len() {
			scatter(random, v.Index(i))
		}
	case reflect.String:
		v.SetString([]string{"plain", "\"\\\n\x01", "\u2028 <&>", "商店"}[random.IntN(4)])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(1 + random.Uint64N(255))
	case reflect.Int, reflect.Int64:
		v.SetInt(1 + random.Int64N(int64(domain.MaxInstant)))
	case reflect.Uint64:
		v.SetUint(1 + random.Uint64N(1<<53))
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			return // an account's apps, which are not part of its state
		}
		v.Set(reflect.MakeMap(v.Type()))
		for _, name := range []string{"p12", "password"} {
			value := reflect.New(v.Type().Elem()).Elem()
			scatter(random, value)
			v.SetMapIndex(reflect.ValueOf(name), value)
		}
	default:
		panic(v.Kind())
	}
}
