#!/usr/bin/perl
# Makes src/constrain/idna.def from the Unicode tables that perl carries: tools/idna_table.pl > src/constrain/idna.def
# One line a run of code points: the first one and what the rules of RFC 5892 and 5893 need to know about each of them.
use strict;
use warnings;
use feature 'fc';
use Unicode::Normalize;
use Unicode::UCD;

my (%valid, %context, %never);
$valid{$_} = 1 for 0xDF, 0x3C2, 0x6FD, 0x6FE, 0xF0B, 0x3007;
$context{$_} = 1 for 0xB7, 0x375, 0x5F3, 0x5F4, 0x30FB, 0x660 .. 0x669, 0x6F0 .. 0x6F9;
$never{$_} = 1 for 0x640, 0x7FA, 0x302E, 0x302F, 0x3031 .. 0x3035, 0x303B;

# RFC 5892, section 3: 0 disallowed or unassigned, 1 valid, 2 with a rule
sub status {
  my ($cp) = @_;
  my $c = chr $cp;
  return 1 if $valid{$cp};
  return 2 if $context{$cp} || $cp == 0x200C || $cp == 0x200D;
  return 0 if $never{$cp} || $c =~ /\p{Cn}/;
  return 1 if $c =~ /[-0-9a-z]/;
  return 0 if $c =~ /\p{Hst=L}|\p{Hst=V}|\p{Hst=T}/;
  return 0 if $c ne NFKC(fc(NFKC($c)));
  return 0 if $c =~ /\p{DI}|\p{White_Space}|\p{NChar}/;
  return 0 if ($cp >= 0x20D0 && $cp <= 0x20FF) || ($cp >= 0x1D100 && $cp <= 0x1D24F);
  return $c =~ /\p{Ll}|\p{Lu}|\p{Lo}|\p{Nd}|\p{Lm}|\p{Mn}|\p{Mc}/ ? 1 : 0;
}

sub bidi {
  my ($c) = @_;
  return 1 if $c =~ /\p{Bc=L}/;
  return 2 if $c =~ /\p{Bc=R}|\p{Bc=AL}/;
  return 3 if $c =~ /\p{Bc=AN}/;
  return 4 if $c =~ /\p{Bc=EN}/;
  return 5 if $c =~ /\p{Bc=NSM}/;
  return 6 if $c =~ /\p{Bc=ES}|\p{Bc=CS}|\p{Bc=ET}|\p{Bc=ON}|\p{Bc=BN}/;
  return 0;
}

sub joining {
  my ($c) = @_;
  return $c =~ /\p{Jt=D}|\p{Jt=C}/ ? 3 : $c =~ /\p{Jt=L}/ ? 1 : $c =~ /\p{Jt=R}/ ? 2 : $c =~ /\p{Jt=T}/ ? 4 : 0;
}

sub script {
  my ($c) = @_;
  return $c =~ /\p{Greek}/ ? 1 : $c =~ /\p{Hebrew}/ ? 2 : $c =~ /\p{Hiragana}|\p{Katakana}|\p{Han}/ ? 3 : 0;
}

sub facts {
  my ($cp) = @_;
  return 0 if $cp >= 0xD800 && $cp <= 0xDFFF;
  my ($c, $status) = (chr $cp, status($cp));
  return 0 if $status == 0;
  my $mark = $c =~ /\p{M}/ ? 1 : 0;
  my $virama = $c =~ /\p{Ccc=9}/ ? 1 : 0;
  return $status | $mark << 2 | $virama << 3 | bidi($c) << 4 | joining($c) << 7 | script($c) << 10;
}

printf "/* Made by tools/idna_table.pl from Unicode %s: RUN(first code point, facts), up to the next line.\n" .
  " * Bits: 0-1 status (1 valid, 2 by rule), 2 mark, 3 virama, 4-6 bidi class, 7-9 joining type, 10-11 script. */\n",
  Unicode::UCD::UnicodeVersion();
my ($last, $line) = (-1, "");
for my $cp (0 .. 0x10FFFF) {
  my $facts = facts($cp);
  next if $facts == $last;
  my $item = sprintf "RUN(0x%X, %d)", $cp, $facts;
  if (length($line) + length($item) > 118) { print "$line\n"; $line = ""; }
  $line .= ($line eq "" ? "" : " ") . $item;
  $last = $facts;
}
print "$line\n";
