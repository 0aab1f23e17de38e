\ A Forth for MUXLEQ, after the eForth model: a small kernel in assembly, the rest in itself.
\
\ It is built by `ncpu muxleq forth` (docs/muxleq.md), which knows the words that this file is written
\ with, and not those that it defines. An address is that of a cell, and a character takes a cell.
\
\ The inner interpreter is direct threaded: a word's body starts with an instruction that jumps to what
\ the word does, and go+2 then still has its address. The top of the data stack is in t.

assembler
s0 = 0xfb00                     ; data stack, growing down
r0 = 0xfff0                     ; return stack, growing down
tib = 0xf000                    ; line of input
pad = 0xf180                    ; end of a number that is being printed
tibsize = 255

        jmp start
ip:     cell 0                  ; next cell of the thread
sp:     cell 0
rp:     cell 0
t:      cell 0
x:      cell 0
y:      cell 0
p:      cell 0
q:      cell 0
r:      cell 0
lo:     cell 0
hi:     cell 0
count:  cell 0
cold:   cell x.cold

start:  mov #s0, sp
        mov #r0, rp
        mov #cold, ip
        jmp next

dodoes: sub #1, sp
        store t, sp
        mov go+2, t
        sub #1, rp
        store ip, rp
        mov t, x
        sub #-2, x
        load x, ip              ; the jump to here, and behind it the thread
        sub #-3, ip
        sub #-3, t
        jmp next

dovar:  sub #1, sp
        store t, sp
        mov go+2, t
        sub #-3, t
        jmp next

docon:  sub #1, sp
        store t, sp
        mov go+2, x
        sub #-3, x
        load x, t
        jmp next

; What the bodies of new words start with.
template.col:  jmp docol
template.var:  jmp dovar
template.con:  jmp docon
template.does: jmp dodoes

docol:  sub #1, rp
        store ip, rp
        mov go+2, ip
        sub #-3, ip
next:   mov ip, fetch
        sub #-1, ip
fetch:  mov 0, go+2
go:     sub #0, #0, 0
end-assembler

\ Threads

code exit ( -- )
        load rp, ip
        sub #-1, rp
        jmp next
end-code

code execute ( xt -- )
        mov t, go+2
        load sp, t
        sub #-1, sp
        jmp go
end-code

code lit ( -- n ) \ the next cell
        sub #1, sp
        store t, sp
        load ip, t
        sub #-1, ip
        jmp next
end-code

code branch ( -- ) \ to the address in the next cell
        load ip, ip
        jmp next
end-code

code ?branch ( f -- ) \ the same if f is zero
        mov t, y
        load sp, t
        sub #-1, sp
        jzero y, x.branch
        sub #-1, ip
        jmp next
end-code

code (next) ( -- ) \ counts the top of the return stack down; branches while it was not zero
        load rp, x
        jzero x, counted
        sub #1, x
        store x, rp
        load ip, ip
        jmp next
counted: sub #-1, rp
        sub #-1, ip
        jmp next
end-code

code bye ( -- )
        halt
end-code

\ Console

code key ( -- c ) \ -1 at the end of input
        sub #1, sp
        store t, sp
        in t
        jmp next
end-code

code emit ( c -- )
        out t
        load sp, t
        sub #-1, sp
        jmp next
end-code

\ Stacks

code dup ( a -- a a )
        sub #1, sp
        store t, sp
        jmp next
end-code

code drop ( a -- )
        load sp, t
        sub #-1, sp
        jmp next
end-code

code swap ( a b -- b a )
        load sp, x
        store t, sp
        mov x, t
        jmp next
end-code

code over ( a b -- a b a )
        load sp, x
        sub #1, sp
        store t, sp
        mov x, t
        jmp next
end-code

code nip ( a b -- b )
        sub #-1, sp
        jmp next
end-code

code rot ( a b c -- b c a )
        load sp, y
        store t, sp
        mov sp, p
        sub #-1, p
        load p, t
        store y, p
        jmp next
end-code

code >r ( a -- )
        sub #1, rp
        store t, rp
        load sp, t
        sub #-1, sp
        jmp next
end-code

code r> ( -- a )
        sub #1, sp
        store t, sp
        load rp, t
        sub #-1, rp
        jmp next
end-code

code r@ ( -- a )
        sub #1, sp
        store t, sp
        load rp, t
        jmp next
end-code

code sp@ ( -- address ) \ of what was the top of the stack
        sub #1, sp
        store t, sp
        mov sp, t
        jmp next
end-code

code sp! ( address -- )
        mov t, sp
        jmp next
end-code

code rp! ( address -- )
        mov t, rp
        load sp, t
        sub #-1, sp
        jmp next
end-code

\ Memory

code @ ( address -- n )
        load t, t
        jmp next
end-code

code ! ( n address -- )
        load sp, x
        sub #-1, sp
        store x, t
        load sp, t
        sub #-1, sp
        jmp next
end-code

code +! ( n address -- )
        load sp, x
        sub #-1, sp
        load t, y
        add x, y
        store y, t
        load sp, t
        sub #-1, sp
        jmp next
end-code

\ Arithmetic

code + ( a b -- a+b )
        load sp, x
        sub #-1, sp
        add x, t
        jmp next
end-code

code - ( a b -- a-b )
        load sp, x
        sub #-1, sp
        sub t, x
        mov x, t
        jmp next
end-code

code 1+ ( a -- a+1 )
        sub #-1, t
        jmp next
end-code

code 1- ( a -- a-1 )
        sub #1, t
        jmp next
end-code

code negate ( a -- -a )
        mov #0, x
        sub t, x
        mov x, t
        jmp next
end-code

code 2* ( a -- 2a )
        add t, t
        jmp next
end-code

code and ( a b -- a&b )
        load sp, x
        sub #-1, sp
        mux #0, t, x
        jmp next
end-code

code or ( a b -- a|b )
        load sp, x
        sub #-1, sp
        mux x, t, t
        jmp next
end-code

code xor ( a b -- a^b )
        load sp, x
        sub #-1, sp
        mov #-1, y
        sub x, y
        mux x, y, t
        mov y, t
        jmp next
end-code

code invert ( a -- ~a )
        mov #-1, x
        sub t, x
        mov x, t
        jmp next
end-code

code rshift ( a n -- a>>n ) \ the upper 16-n bits, gathered from the top
        load sp, p
        sub #-1, sp
        mov #0, r
        mov #16, count
        sub t, count, shifted
gather: add r, r
        jneg p, one
        jmp zero
one:    sub #-1, r
zero:   add p, p
        sub #1, count, shifted
        jmp gather
shifted: mov r, t
        jmp next
end-code

code um* ( a b -- low high ) \ unsigned; the bits of b from the top
        load sp, p
        mov #0, lo
        mov #0, hi
        mov #16, count
times:  add hi, hi
        mov lo, x
        add lo, lo
        jneg x, carry
        jmp bit
carry:  sub #-1, hi
bit:    mov t, x
        add t, t
        jneg x, plus
        jmp timed
plus:   mov lo, x
        add p, lo
        mov x, y
        mux #0, y, p            ; both
        mux p, x, x             ; either
        mux x, y, lo            ; a sum without its top bit carries if either had it, else if both
        jneg y, carries
        jmp timed
carries: sub #-1, hi
timed:  sub #1, count, product
        jmp times
product: store lo, sp
        mov hi, t
        jmp next
end-code

code um/mod ( low high d -- remainder quotient ) \ unsigned; high has to be below d
        load sp, hi
        sub #-1, sp
        load sp, lo
        mov #16, count
divide: mov hi, q
        add hi, hi
        mov lo, x
        add lo, lo
        jneg x, bring
        jmp brought
bring:  sub #-1, hi
brought: mov hi, r
        sub t, r                ; hi - d
        jneg q, fits            ; a bit went out at the top
        mov #-1, y
        sub hi, y               ; ~hi
        mov t, x
        mux #0, x, y            ; ~hi and d
        mux t, y, y             ; ~hi or d
        mux x, y, r             ; it borrows if both, or either where the difference is negative
        jneg y, divided
fits:   mov r, hi
        sub #-1, lo
divided: sub #1, count, quotient
        jmp divide
quotient: store hi, sp
        mov lo, t
        jmp next
end-code

\ Comparisons

code 0= ( a -- f )
        jzero t, true
        mov #0, t
        jmp next
true:   mov #-1, t
        jmp next
end-code

code 0< ( a -- f )
        jneg t, true
        mov #0, t
        jmp next
end-code

code u< ( a b -- f )
        load sp, x
        sub #-1, sp
        mov x, r
        sub t, r                ; a - b
        mov #-1, y
        sub x, y                ; ~a
        mov t, x
        mux #0, x, y
        mux t, y, y
        mux x, y, r             ; it borrows, as in um/mod
        jneg y, true
        mov #0, t
        jmp next
end-code

\ The header of a word has a link, its length with 64 added if it is immediate, and its name.

code (find) ( address length -- header|0 )
        load sp, p
        sub #-1, sp
        mov body.latest, hi
header: jzero hi, found
        mov hi, x
        sub #-1, x
        load x, y
        mux #0, y, #63
        sub t, y
        jzero y, name
other:  load hi, hi
        jmp header
name:   sub #-1, x
        mov p, q
        mov t, count
letter: jzero count, found
        load x, y
        load q, r
        sub r, y
        jzero y, same
        jmp other
same:   sub #-1, x
        sub #-1, q
        sub #1, count
        jmp letter
found:  mov hi, t
        jmp next
end-code

create latest last ,            \ header of the newest word that can be found
create dp end ,                 \ first free cell
create base 10 ,
create state 0 ,
create pending 0 ,              \ header of the word that is being defined
create >in 0 ,
create #tib 0 ,
create hld 0 ,
create acc 0 ,
create column 0 ,
create 'quit x.quit ,

tib constant tib
pad constant pad
s0 constant s0
r0 constant r0
32 constant bl
0 constant false
-1 constant true
template.col constant (col)
template.var constant (var)
template.con constant (con)
template.does constant (does)

: ?dup ( a -- a a | 0 ) dup if dup then ;
: tuck ( a b -- b a b ) swap over ;
: -rot ( a b c -- c a b ) rot rot ;
: 2dup ( a b -- a b a b ) over over ;
: 2drop ( a b -- ) drop drop ;
: pick ( n -- a ) 1+ sp@ + @ ;
: depth ( -- n ) s0 sp@ - 1- 1- ;

: = ( a b -- f ) - 0= ;
: <> ( a b -- f ) - 0= 0= ;
: < ( a b -- f ) 2dup xor 0< if drop 0< exit then - 0< ;
: > ( a b -- f ) swap < ;
: u> ( a b -- f ) swap u< ;
: 0> ( a -- f ) 0 > ;
: min ( a b -- a|b ) 2dup > if swap then drop ;
: max ( a b -- a|b ) 2dup < if swap then drop ;
: abs ( a -- u ) dup 0< if negate then ;
: within ( a low high -- f ) over - >r - r> u< ;

: lshift ( a n -- a<<n ) begin dup while 1- swap 2* swap repeat drop ;
: 2/ ( a -- a/2 ) dup 1 rshift swap 0< if 0x8000 or then ;
: * ( a b -- a*b ) um* drop ;

: here ( -- address ) dp @ ;
: allot ( n -- ) dp +! ;
: , ( n -- ) here ! 1 allot ;
: cells ( n -- n ) ;
: cell+ ( address -- address ) 1+ ;
: c@ ( address -- c ) @ ;
: c! ( c address -- ) ! ;
: fill ( address n c -- ) >r begin dup while over r@ swap ! 1- swap 1+ swap repeat r> drop 2drop ;
: move ( from to n -- ) \ from the first cell on
  begin dup while >r over @ over ! 1+ swap 1+ swap r> 1- repeat drop 2drop ;

: cr ( -- ) 10 emit ;
: space ( -- ) bl emit ;
: spaces ( n -- ) begin dup 0> while 1- space repeat drop ;
: type ( address n -- ) begin dup while over @ emit 1- swap 1+ swap repeat 2drop ;
: (s") ( -- address n ) r> dup 1+ swap @ 2dup + >r ;
: (.") ( -- ) r> dup 1+ swap @ 2dup + >r type ;

: abort ( -- ) s0 sp! 'quit @ execute ;

: /mod ( a b -- remainder quotient ) \ towards zero
  dup 0= if ." division by zero" cr abort then
  2dup xor >r over >r abs swap abs swap 0 swap um/mod
  swap r> 0< if negate then swap r> 0< if negate then ;
: / ( a b -- quotient ) /mod nip ;
: mod ( a b -- remainder ) /mod drop ;

: decimal ( -- ) 10 base ! ;
: hex ( -- ) 16 base ! ;
: <# ( -- ) pad hld ! ;
: hold ( c -- ) -1 hld +! hld @ ! ;
: # ( low high -- low high )
  0 base @ um/mod >r base @ um/mod swap
  dup 10 u< if 48 else 87 then + hold r> ;
: #s ( low high -- 0 0 ) begin # 2dup or 0= until ;
: sign ( n -- ) 0< if [char] - hold then ;
: #> ( low high -- address n ) 2drop hld @ pad over - ;
: u. ( u -- ) 0 <# #s #> type space ;
: . ( n -- ) dup abs 0 <# #s rot sign #> type space ;
: ? ( address -- ) @ . ;
: .s ( -- ) \ the stack, its top last
  depth begin dup 0> while dup pick . 1- repeat drop ;

: more? ( -- f ) >in @ #tib @ u< ;
: peek ( -- c ) tib >in @ + @ ;
: blank? ( -- f ) more? if peek 33 u< else false then ;
: solid? ( -- f ) more? if peek 32 u> else false then ;
: rest ( -- address ) tib >in @ + ;
: skip ( -- ) 1 >in +! ;
: parse-name ( -- address n )
  begin blank? while skip repeat
  rest begin solid? while skip repeat
  rest over - more? if skip then ;
: parse ( c -- address n ) \ up to c
  >r rest begin more? if peek r@ <> else false then while skip repeat
  rest over - more? if skip then r> drop ;

: >xt ( header -- xt ) dup 1+ @ 63 and + 2 + ;
: find ( address n -- xt 1 | xt -1 | 0 ) \ 1: immediate
  (find) dup if dup >xt swap 1+ @ 64 and if 1 else -1 then then ;

: digit ( c -- n ) dup 58 u< if 48 - else 32 or 87 - then ;
: number? ( address n -- value true | false )
  over @ [char] - = dup >r if 1- swap 1+ swap then
  dup 0= if 2drop r> drop false exit then
  0 acc !
  begin dup while
    over @ digit dup base @ u< 0= if drop 2drop r> drop false exit then
    acc @ base @ * + acc !
    1- swap 1+ swap
  repeat
  2drop acc @ r> if negate then true ;

: literal ( n -- ) ['] lit , , ; immediate
: ?stack ( -- )
  depth 0< if ." stack underflow" cr abort then
  depth 2000 > if ." stack overflow" cr abort then ;
: interpret ( -- )
  begin parse-name dup while
    2dup find dup if
      >r >r 2drop r> r> 0< state @ and if , else execute then ?stack
    else
      drop 2dup number? if
        >r 2drop r> state @ if literal then
      else
        type ."  ?" cr abort
      then
    then
  repeat 2drop ;
: query ( -- ) \ a line of input
  0 #tib ! 0 >in !
  begin
    key dup 10 = if drop exit then
    dup -1 = if drop #tib @ if exit then bye then
    dup 13 = #tib @ 254 u> or if drop else rest #tib @ + ! 1 #tib +! then
  again ;
: quit ( -- )
  r0 rp! 0 state !
  begin query interpret state @ 0= if ." ok" then cr again ;
: cold ( -- ) ." nCPU Forth" cr quit ;

: [ ( -- ) 0 state ! ; immediate
: ] ( -- ) -1 state ! ;
: string, ( address n -- ) dup , begin dup while over @ , 1- swap 1+ swap repeat 2drop ;
: header ( -- ) here latest @ , parse-name string, pending ! ;
: code, ( template -- ) dup @ , 1+ dup @ , 1+ @ , ;
: reveal ( -- ) pending @ latest ! ;
: : ( -- ) header (col) code, ] ;
: ; ( -- ) ['] exit , reveal 0 state ! ; immediate
: immediate ( -- ) latest @ 1+ dup @ 64 or swap ! ;
: recurse ( -- ) pending @ >xt , ; immediate
: create ( -- ) header (var) code, reveal ;
: variable ( -- ) create 0 , ;
: constant ( n -- ) header (con) code, , reveal ;
: (does>) ( -- ) r> latest @ >xt 2 + ! ;
: does> ( -- ) ['] (does>) , (does) code, ; immediate
: ' ( -- xt ) parse-name 2dup find if nip nip exit then type ."  ?" cr abort ;
: ['] ( -- ) ' literal ; immediate
: char ( -- c ) parse-name drop @ ;
: [char] ( -- ) char literal ; immediate
: postpone ( -- )
  parse-name 2dup find dup 0= if drop type ."  ?" cr abort then
  >r >r 2drop r> r> 0< if literal ['] , then , ; immediate

: if ( -- address ) ['] ?branch , here 0 , ; immediate
: then ( address -- ) here swap ! ; immediate
: else ( address -- address ) ['] branch , here 0 , swap here swap ! ; immediate
: begin ( -- address ) here ; immediate
: again ( address -- ) ['] branch , , ; immediate
: until ( address -- ) ['] ?branch , , ; immediate
: while ( address -- address address ) ['] ?branch , here 0 , swap ; immediate
: repeat ( address address -- ) ['] branch , , here swap ! ; immediate
: for ( -- address ) ['] >r , here ; immediate
: next ( address -- ) ['] (next) , , ; immediate

: s" ( -- address n ) \ to a quotation mark
  [char] " parse state @ if ['] (s") , string, then ; immediate
: ." ( -- ) [char] " parse state @ if ['] (.") , string, else type then ; immediate
: ( ( -- ) [char] ) parse 2drop ; immediate
: \ ( -- ) #tib @ >in ! ; immediate

: words ( -- ) \ newest first
  0 column ! latest @
  begin dup while
    dup 1+ @ 63 and dup column @ + 1+ 72 u> if cr 0 column ! then
    dup 1+ column +!
    over 2 + swap type space @
  repeat drop cr ;
