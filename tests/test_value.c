/* value: what people type and say, read into typed values, written back, and found in running text. The tables were
 * written from what people say; now is Saturday 2026-11-21 20:00 and open values lie in the future. "!" stands for a
 * refusal. */
#include "value/internal.h"

#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct row { const char *text, *expect; };

static const struct row moment_rows[] = {
    {"7", "2026-11-22T07:00:00"}, {"seven thirty", "2026-11-22T07:30:00"},
    {"7:30 pm", "2026-11-22T19:30:00"}, {"1930", "2026-11-22T19:30:00"},
    {"half seven", "2026-11-22T07:30:00"}, {"twenty to nine", "2026-11-21T20:40:00"},
    {"quarter past six", "2026-11-22T06:15:00"}, {"quarter to seven tomorrow", "2026-11-22T06:45:00"},
    {"in an hour and a half", "2026-11-21T21:30:00"}, {"friday", "2026-11-27"},
    {"saturday", "2026-11-28"}, {"the 3rd at noon", "2026-12-03T12:00:00"},
    {"noon", "2026-11-22T12:00:00"}, {"midnight", "2026-11-22T00:00:00"},
    {"tonight at 8", "2026-11-21T20:00:00"}, {"tonight", "2026-11-21T21:00:00"},
    {"the day after tomorrow", "2026-11-23"}, {"next tuesday", "2026-11-24"},
    {"tomorrow morning", "2026-11-22T09:00:00"}, {"in half an hour", "2026-11-21T20:30:00"},
    {"a week from monday", "2026-11-30"}, {"march 3rd at noon", "2027-03-03T12:00:00"},
    {"eod", "2026-11-22T17:00:00"}, {"tommorow at 9", "2026-11-22T09:00:00"},
    {"tmrw 7am", "2026-11-22T07:00:00"}, {"in 20 mins", "2026-11-21T20:20:00"},
    {"in 2 hrs", "2026-11-21T22:00:00"}, {"wed at 5", "2026-11-25T17:00:00"},
    {"7 tomorrow morning", "2026-11-22T07:00:00"}, {"six in the morning", "2026-11-22T06:00:00"},
    {"7 o'clock", "2026-11-22T07:00:00"}, {"at five fifteen pm on friday", "2026-11-27T17:15:00"},
    {"december 25th 2027", "2027-12-25"}, {"christmas eve", "2026-12-24"}, {"feb 30", "!"},
    {"25:99", "!"}, {"yesterday", "!"}, {"today at 9pm", "2026-11-21T21:00:00"},
    {"5 minutes from now", "2026-11-21T20:05:00"}, {"20 minutes", "2026-11-21T20:20:00"},
    {"next friday at noon", "2026-11-27T12:00:00"}, {"friday night", "2026-11-27T21:00:00"},
    {"monday at quarter to nine", "2026-11-23T08:45:00"}, {"seven oh five", "2026-11-22T07:05:00"},
    {"6:05 a.m.", "2026-11-22T06:05:00"}, {"the first of march", "2027-03-01"},
    {"3/4/2027 5pm", "2027-03-04T17:00:00"}, {"2026-12-01", "2026-12-01"},
    {"tomorrow at midnight", "2026-11-22T00:00:00"}, {"in two weeks", "2026-12-05"},
    {"in a fortnight", "2026-12-05"}, {"at lunch", "2026-11-22T12:00:00"},
    {"tomorrow at 3", "2026-11-22T15:00:00"}, {"nine thirty tomorrow", "2026-11-22T09:30:00"},
    {"eight am tomorrow", "2026-11-22T08:00:00"}, {"this evening", "2026-11-21T21:00:00"},
    {"at 7 in the evening", "2026-11-22T19:00:00"}, {"sunday the 29th", "2026-11-29"}, {"may", "!"},
    {"on the 15th of january at 3:45 pm", "2027-01-15T15:45:00"},
    {"at seven forty five in the morning on monday", "2026-11-23T07:45:00"},
    {"5 to seven", "2026-11-22T06:55:00"}, {"ten to five", "2026-11-22T04:50:00"},
    {"half past seven", "2026-11-22T07:30:00"}, {"half past", "!"}, {"seven", "2026-11-22T07:00:00"},
    {"seven am", "2026-11-22T07:00:00"}, {"seven a m", "2026-11-22T07:00:00"},
    {"7 a.m.", "2026-11-22T07:00:00"}, {"7a", "2026-11-22T07:00:00"}, {"7p", "2026-11-22T19:00:00"},
    {"at 7ish", "2026-11-22T07:00:00"}, {"7.30", "2026-11-22T07:30:00"},
    {"7.30pm", "2026-11-22T19:30:00"}, {"0700", "2026-11-22T07:00:00"}, {"07:00", "2026-11-22T07:00:00"},
    {"19:00", "2026-11-22T19:00:00"}, {"730", "2026-11-22T07:30:00"}, {"7 30", "2026-11-22T07:30:00"},
    {"7 30 am", "2026-11-22T07:30:00"}, {"six forty five pm", "2026-11-22T18:45:00"},
    {"12", "2026-11-22T00:00:00"}, {"12 am", "2026-11-22T00:00:00"}, {"12:30 am", "2026-11-22T00:30:00"},
    {"twelve thirty", "2026-11-22T00:30:00"}, {"noon tomorrow", "2026-11-22T12:00:00"},
    {"tomorrow noon", "2026-11-22T12:00:00"}, {"tomorrow night at 10", "2026-11-22T22:00:00"},
    {"tomorrow evening", "2026-11-22T19:00:00"}, {"this afternoon", "!"}, {"this afternoon at 3", "!"},
    {"tonight at eleven", "2026-11-21T23:00:00"}, {"tonight at midnight", "2026-11-22T00:00:00"},
    {"monday morning", "2026-11-23T09:00:00"}, {"monday morning at 8", "2026-11-23T08:00:00"},
    {"next week monday", "2026-11-23"}, {"monday next week", "2026-11-23"},
    {"a week on friday", "2026-12-04"}, {"friday week", "2026-12-04"},
    {"two weeks from today", "2026-12-05"}, {"in 3 days", "2026-11-24"},
    {"3 days from now at noon", "2026-11-24T12:00:00"}, {"in three hours", "2026-11-21T23:00:00"},
    {"an hour from now", "2026-11-21T21:00:00"}, {"in 1 hour and 30 minutes", "2026-11-21T21:30:00"},
    {"in 90 seconds", "2026-11-21T20:01:30"}, {"in a minute", "2026-11-21T20:01:00"},
    {"in an hour", "2026-11-21T21:00:00"}, {"half an hour from now", "2026-11-21T20:30:00"},
    {"in a couple of hours", "2026-11-21T22:00:00"}, {"in a few minutes", "2026-11-21T20:03:00"},
    {"two days before christmas", "2026-12-23"}, {"the 15th", "2026-12-15"},
    {"15th of next month", "2026-12-15"}, {"on the 5th at 6 pm", "2026-12-05T18:00:00"},
    {"fifth of november", "2027-11-05"}, {"november fifth", "2027-11-05"},
    {"nov 5 2027 at 10:15", "2027-11-05T10:15:00"}, {"11/5", "2027-11-05"}, {"11/5/27", "2027-11-05"},
    {"5th november", "2027-11-05"}, {"last friday", "!"}, {"this friday", "2026-11-27"},
    {"coming saturday", "2026-11-28"}, {"saturday night", "2026-11-21T21:00:00"},
    {"sat 10am", "2026-11-28T10:00:00"}, {"sunday at 6 in the evening", "2026-11-22T18:00:00"},
    {"january 1st", "2027-01-01"}, {"new year's eve", "2026-12-31"}, {"new years day", "2027-01-01"},
    {"thanksgiving", "2026-11-26"}, {"valentine's day", "2027-02-14"}, {"easter", "2027-03-28"},
    {"mother's day", "2027-05-09"}, {"end of the day", "2026-11-22T17:00:00"},
    {"end of day tomorrow", "2026-11-22T17:00:00"}, {"lunch time", "2026-11-22T12:00:00"},
    {"dinner time", "2026-11-22T19:00:00"}, {"after lunch", "2026-11-22T12:00:00"},
    {"first thing tomorrow", "2026-11-22T09:00:00"},
    {"first thing in the morning", "2026-11-22T09:00:00"},
    {"tomorrow first thing", "2026-11-22T09:00:00"}, {"later today", "2026-11-21"},
    {"now", "2026-11-21T20:00:00"}, {"right now", "2026-11-21T20:00:00"}, {"asap", "2026-11-21T20:00:00"},
    {"quarter of six", "2026-11-22T05:45:00"}, {"quarter till 8", "2026-11-22T07:45:00"},
    {"twenty five past ten", "2026-11-21T22:25:00"}, {"10 past 8 pm", "2026-11-21T20:10:00"},
    {"8 pm tonight", "2026-11-21T20:00:00"}, {"nine o'clock in the morning", "2026-11-22T09:00:00"},
    {"3 o'clock in the afternoon", "2026-11-22T15:00:00"}, {"oh seven hundred", "2026-11-22T07:00:00"},
    {"zero seven hundred hours", "2026-11-22T07:00:00"},
    {"fourteen hundred hours", "2026-11-22T14:00:00"}, {"eighteen thirty", "2026-11-22T18:30:00"},
    {"twenty twenty", "2026-11-21T20:20:00"}, {"1 pm on the 3rd of march", "2027-03-03T13:00:00"},
    {"wednesday the 25th of november", "2026-11-25"}, {"the last day of the month", "2026-11-30"},
    {"end of the month", "2026-11-30"}, {"end of next week", "2026-11-27"}, {"next month", "2026-12-01"},
    {"next weekend", "2026-11-28"}, {"the weekend", "2026-11-21"}, {"six months from now", "2027-05-21"},
    {"next year", "!"}, {"same time tomorrow", "2026-11-22T20:00:00"},
    {"this time tomorrow", "2026-11-22T20:00:00"}, {"tomorrow same time", "2026-11-22T20:00:00"},
    {"every day", "!"}, {"monday or tuesday", "!"}, {"dec 24th around 5pm", "2026-12-24T17:00:00"},
    {"by 5pm", "2026-11-22T17:00:00"}, {"before noon", "2026-11-22T12:00:00"},
    {"until 6", "2026-11-22T06:00:00"}, {"july 4th", "2027-07-04"}, {"4 july 2027", "2027-07-04"},
    {"2027", "2026-11-21T20:27:00"}, {"december", "!"}, {"early tomorrow", "2026-11-22T09:00:00"},
    {"early tomorrow morning", "2026-11-22T09:00:00"}, {"late tonight", "2026-11-21T21:00:00"},
    {"in the morning", "2026-11-22T09:00:00"}, {"in the evening", "2026-11-22T19:00:00"},
    {"at night", "2026-11-21T21:00:00"}, {"morning", "2026-11-22T09:00:00"},
    {"a day from now", "2026-11-22"}, {"day after tomorrow at 9 am", "2026-11-23T09:00:00"},
    {"two nights from now", "2026-11-23"}, {"wenesday", "2026-11-25"},
    {"thurdsay at noon", "2026-11-26T12:00:00"}, {"tomorow at seven", "2026-11-22T07:00:00"},
    {"febuary 3rd", "2027-02-03"}, {"8:30 o'clock", "2026-11-21T20:30:00"},
    {"at around 9:15ish", "2026-11-21T21:15:00"}, {"9 ish", "2026-11-21T21:00:00"},
    {"5 mins", "2026-11-21T20:05:00"}, {"in 5", "2026-11-21T20:05:00"}, {"15 min", "2026-11-21T20:15:00"},
    {"in 2 and a half hours", "2026-11-21T22:30:00"}, {"in two hours time", "2026-11-21T22:00:00"},
    {"in a week's time", "2026-11-28"}, {"in one week", "2026-11-28"},
    {"one week from tomorrow", "2026-11-29"},
    {"tomorrow at quarter past seven in the evening", "2026-11-22T19:15:00"},
    {"three fifteen", "2026-11-22T03:15:00"}, {"three fifteen p m", "2026-11-22T15:15:00"},
    {"three p.m. today", "!"}, {"sunday morning 9 am", "2026-11-22T09:00:00"},
    {"9:15ish", "2026-11-21T21:15:00"},
};
static const struct row moment_rows_2[] = {
    {"the day after christmas", "2026-12-26"}, {"the day before new years eve", "2026-12-30"},
    {"8 in the evening tomorrow", "2026-11-22T20:00:00"},
    {"next thursday morning at 10", "2026-11-26T10:00:00"},
    {"two days from now at 3pm", "2026-11-23T15:00:00"}, {"half past noon", "2026-11-22T12:30:00"},
    {"december twenty first at six pm", "2026-12-21T18:00:00"}, {"a fortnight on tuesday", "2026-12-08"},
    {"friday evening at half seven", "2026-11-27T19:30:00"}, {"11 59 pm", "2026-11-21T23:59:00"},
    {"tomorrow or friday", "!"},
};
static const struct row number_rows[] = {
    {"two dozen", "24"}, {"1,249.50", "1249.5"}, {"three and a half", "3.5"}, {"a couple", "2"},
    {"minus ten", "-10"}, {"a hundred and twenty", "120"}, {"twenty-five", "25"},
    {"half a million", "500000"}, {"one thousand two hundred thirty four", "1234"}, {"3.5k", "3500"},
    {"two point five", "2.5"}, {"⅔", "0.666666666666667"}, {"one fifty", "150"}, {"zero", "0"},
    {"one hundred and sixteen", "116"}, {"twenty one thousand", "21000"}, {"1,000,000", "1000000"},
    {"2.5 million", "2500000"}, {"three quarters", "0.75"}, {"a dozen", "12"}, {"half a dozen", "6"},
    {"-7", "-7"}, {"minus three point one four", "-3.14"}, {"1/3", "0.333333333333333"}, {"1 1/2", "1.5"},
    {"forty-two", "42"}, {"twelve hundred", "1200"}, {"two hundred and fifty thousand", "250000"},
    {"five hundred", "500"}, {"10k", "10000"}, {"a few", "3"}, {".5", "0.5"}, {"nought", "0"},
    {"nine point nought four", "9.04"}, {"one two three", "123"}, {"a thousand and one", "1001"},
    {"99999999999999999999", "!"}, {"1e6", "1000000"}, {"hello", "!"}, {"five apples", "!"},
    {"one and a quarter", "1.25"}, {"six million two hundred thousand", "6200000"},
    {"two and a half thousand", "2500"}, {"fifteen", "15"}, {"a hundred", "100"}, {"1.2.3", "!"},
    {"1e999", "!"}, {"--5", "!"}, {",", "!"}, {".", "!"}, {"and", "!"},
    {"ninety nine trillion", "99000000000000"}, {"nine hundred thousand million million million", "!"},
};
static const struct row percent_rows[] = {
    {"40%", "40"}, {"forty percent", "40"}, {"half", "50"}, {"max", "100"}, {"a quarter", "25"},
    {"75", "75"}, {"seventy five percent", "75"}, {"full", "100"}, {"three quarters", "75"},
    {"100 percent", "100"}, {"12.5%", "12.5"}, {"minus five percent", "-5"}, {"fifty", "50"},
    {"two thirds", "66.6666666666667"}, {"halfway", "50"}, {"1/2", "50"}, {"min", "1"}, {"0%", "0"},
    {"per cent", "!"}, {"eighty per cent", "80"},
};
static const struct row position_rows[] = {
    {"third", "3"}, {"last", "-1"}, {"second to last", "-2"}, {"the 2nd one", "2"}, {"number 4", "4"},
    {"twenty first", "21"}, {"1st", "1"}, {"twenty-third", "23"}, {"hundredth", "100"},
    {"the last one", "-1"}, {"next to last", "-2"}, {"third to last", "-3"}, {"#2", "2"},
    {"the second", "2"}, {"five", "5"}, {"one hundred twenty fifth", "125"}, {"-1", "!"}, {"0", "0"},
};
static const struct row temperature_rows[] = {
    {"72", "72"}, {"seventy two degrees", "72"}, {"minus 5 celsius", "-5 C"}, {"68 f", "68 F"},
    {"20°C", "20 C"}, {"20 degrees", "20"}, {"21.5", "21.5"}, {"-10C", "-10 C"},
    {"98.6 fahrenheit", "98.6 F"}, {"seventy-two degrees fahrenheit", "72 F"}, {"twenty one c", "21 C"},
    {"300 kelvin", "300 K"}, {"one oh five", "105"}, {"hot", "!"},
};
static const struct row duration_rows[] = {
    {"an hour and a half", "PT1H30M"}, {"90 min", "PT1H30M"}, {"2h30", "PT2H30M"},
    {"half an hour", "PT30M"}, {"3 quarters of an hour", "PT45M"}, {"an hour and 20 minutes", "PT1H20M"},
    {"1 hour 30", "PT1H30M"}, {"ten minutes", "PT10M"}, {"two and a half hours", "PT2H30M"},
    {"a quarter of an hour", "PT15M"}, {"45s", "PT45S"}, {"1h 15m 10s", "PT1H15M10S"}, {"a week", "P7D"},
    {"two minutes thirty seconds", "PT2M30S"}, {"hour and a half", "PT1H30M"},
    {"a couple of hours", "PT2H"}, {"1:30", "!"}, {"five", "!"}, {"5 minutes", "PT5M"},
    {"five min", "PT5M"}, {"1 hr", "PT1H"}, {"an hour", "PT1H"}, {"30 seconds", "PT30S"},
    {"half a minute", "PT30S"}, {"a minute and a half", "PT1M30S"}, {"3 days", "P3D"},
    {"two weeks", "P14D"}, {"six months", "P6M"}, {"a year and a half", "P1Y6M"},
    {"1.5 hours", "PT1H30M"}, {"one hour thirty minutes", "PT1H30M"}, {"1h", "PT1H"}, {"20m", "PT20M"},
    {"an hour and fifteen", "PT1H15M"}, {"a fortnight", "P14D"}, {"PT45M", "PT45M"},
    {"0 minutes", "PT0S"}, {"quarter of an hour", "PT15M"}, {"three quarters of an hour", "PT45M"},
    {"one and a half hours", "PT1H30M"}, {"10 mins and 30 secs", "PT10M30S"},
    {"a day and a half", "P1DT12H"}, {"the whole day", "P1D"}, {"a few minutes", "PT3M"},
    {"for 45 minutes", "PT45M"}, {"2 hours 5 minutes and 10 seconds", "PT2H5M10S"},
    {"half hour", "PT30M"}, {"forever", "!"}, {"-5 minutes", "!"},
    {"99999999999999999 years", "P99999999999999999Y"}, {"9223372036854775807 hours", "!"},
    {"hour", "PT1H"}, {"25 hours", "PT25H"}, {"ten to five", "!"},
};
static const struct row recurrence_rows[] = {
    {"every other friday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"},
    {"weekdays at 7", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=7;BYMINUTE=0"}, {"daily", "FREQ=DAILY"},
    {"on the first of each month", "FREQ=MONTHLY;BYMONTHDAY=1"},
    {"every monday and wednesday at 6 pm", "FREQ=WEEKLY;BYDAY=MO,WE;BYHOUR=18;BYMINUTE=0"},
    {"every 2 weeks", "FREQ=WEEKLY;INTERVAL=2"}, {"every morning", "FREQ=DAILY;BYHOUR=9;BYMINUTE=0"},
    {"mondays", "FREQ=WEEKLY;BYDAY=MO"}, {"every weekend", "FREQ=WEEKLY;BYDAY=SA,SU"},
    {"every third tuesday of the month", "FREQ=MONTHLY;BYDAY=3TU"}, {"once a week", "FREQ=WEEKLY"},
    {"every day at 8:30", "FREQ=DAILY;BYHOUR=8;BYMINUTE=30"}, {"every year", "FREQ=YEARLY"},
    {"on weekdays", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"},
    {"mon-fri at 7am", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=7;BYMINUTE=0"},
    {"7am every day", "FREQ=DAILY;BYHOUR=7;BYMINUTE=0"},
    {"every weekday morning at 6", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=6;BYMINUTE=0"},
    {"monthly on the 15th", "FREQ=MONTHLY;BYMONTHDAY=15"},
    {"every night at 10", "FREQ=DAILY;BYHOUR=22;BYMINUTE=0"},
    {"every four hours", "FREQ=HOURLY;INTERVAL=4"},
    {"the last friday of every month", "FREQ=MONTHLY;BYDAY=-1FR"},
    {"every morning at 7", "FREQ=DAILY;BYHOUR=7;BYMINUTE=0"},
    {"each day at noon", "FREQ=DAILY;BYHOUR=12;BYMINUTE=0"},
    {"every tuesday and thursday", "FREQ=WEEKLY;BYDAY=TU,TH"},
    {"tuesdays and thursdays at 5", "FREQ=WEEKLY;BYDAY=TU,TH;BYHOUR=17;BYMINUTE=0"},
    {"every 15th", "FREQ=MONTHLY;BYMONTHDAY=15"},
    {"every month on the 15th", "FREQ=MONTHLY;BYMONTHDAY=15"},
    {"every sunday evening", "FREQ=WEEKLY;BYDAY=SU;BYHOUR=19;BYMINUTE=0"},
    {"every 3 hours", "FREQ=HOURLY;INTERVAL=3"}, {"every hour", "FREQ=HOURLY"},
    {"every half hour", "FREQ=MINUTELY;INTERVAL=30"}, {"every 30 minutes", "FREQ=MINUTELY;INTERVAL=30"},
    {"every friday at 5", "FREQ=WEEKLY;BYDAY=FR;BYHOUR=17;BYMINUTE=0"},
    {"every six months", "FREQ=MONTHLY;INTERVAL=6"}, {"twice a day", "!"},
    {"every quarter", "FREQ=MONTHLY;INTERVAL=3"}, {"biweekly", "FREQ=WEEKLY;INTERVAL=2"},
    {"fortnightly on friday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"},
    {"weekends at 9 am", "FREQ=WEEKLY;BYDAY=SA,SU;BYHOUR=9;BYMINUTE=0"},
    {"weekly on monday", "FREQ=WEEKLY;BYDAY=MO"},
    {"monday through friday at 6:45", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=6;BYMINUTE=45"},
    {"every saturday and sunday", "FREQ=WEEKLY;BYDAY=SA,SU"}, {"yearly", "FREQ=YEARLY"},
    {"every last day of the month", "FREQ=MONTHLY;BYMONTHDAY=-1"},
    {"the first monday of every month at 9am", "FREQ=MONTHLY;BYDAY=1MO;BYHOUR=9;BYMINUTE=0"},
    {"first of the month", "!"}, {"everyday at 7pm", "FREQ=DAILY;BYHOUR=19;BYMINUTE=0"},
    {"at 7 every morning", "FREQ=DAILY;BYHOUR=7;BYMINUTE=0"},
    {"7 am on weekdays", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=7;BYMINUTE=0"},
    {"every other day", "FREQ=DAILY;INTERVAL=2"}, {"every second week", "FREQ=WEEKLY;INTERVAL=2"},
};
static const struct row money_rows[] = {
    {"$1,249.50", "USD 1249.50"}, {"twenty five euros", "EUR 25.00"}, {"two pounds fifty", "GBP 2.50"},
    {"3 bucks", "USD 3.00"}, {"5k", "USD 5000.00"}, {"fifty cents", "USD 0.50"},
    {"a hundred dollars", "USD 100.00"}, {"$20", "USD 20.00"}, {"20 dollars and 50 cents", "USD 20.50"},
    {"ten fifty", "USD 10.50"}, {"five hundred yen", "JPY 500"}, {"1.999 usd", "!"},
    {"a buck fifty", "USD 1.50"}, {"40 quid", "GBP 40.00"}, {"€12.50", "EUR 12.50"}, {"$5", "USD 5.00"},
    {"$0.99", "USD 0.99"}, {"5 dollars", "USD 5.00"}, {"$5 million", "USD 5000000.00"},
    {"-$5", "USD -5.00"}, {"£20", "GBP 20.00"}, {"20 pounds sterling", "GBP 20.00"},
    {"1 euro", "EUR 1.00"}, {"ten euros and fifty cents", "EUR 10.50"}, {"two fifty", "USD 2.50"},
    {"100", "USD 100.00"}, {"100 JPY", "JPY 100"}, {"1.5k", "USD 1500.00"}, {"$1.5m", "USD 1500000.00"},
    {"half a million dollars", "USD 500000.00"}, {"a dollar", "USD 1.00"}, {"a grand", "USD 1000.00"},
    {"a fiver", "USD 5.00"}, {"50p", "GBP 0.50"}, {"75 cents", "USD 0.75"}, {"3 dollars 50", "USD 3.50"},
    {"twelve dollars and thirty cents", "USD 12.30"}, {"¥500", "JPY 500"}, {"₹1,200", "INR 1200.00"},
    {"10 swiss francs", "CHF 10.00"}, {"500 won", "KRW 500"}, {"0.001 kwd", "KWD 0.001"}, {"$", "!"},
    {"$99999999999999999", "!"}, {"$1,23", "!"}, {"five", "USD 5.00"}, {"fifteen bucks", "USD 15.00"},
    {"a couple of dollars", "USD 2.00"}, {"one hundred and five dollars", "USD 105.00"},
    {"usd 40", "USD 40.00"}, {"40 usd", "USD 40.00"}, {"eur 12.5", "EUR 12.50"},
    {"12 canadian dollars", "CAD 12.00"}, {"5 bitcoin", "BTC 5.00000000"}, {"1.005 dollars", "!"},
    {"two hundred quid", "GBP 200.00"}, {"200 cedis", "GHS 200.00"}, {"hundred dollar", "USD 100.00"},
    {"thousand naira", "NGN 1000.00"}, {"50 birr", "ETB 50.00"},
};
static const struct row phone_rows[] = {
    {"five five five 1234", "5551234"}, {"+1 (555) 123-4567", "+15551234567"},
    {"double five three oh nine", "55309"}, {"555-1234", "5551234"}, {"911", "911"},
    {"(212) 555 0199", "2125550199"}, {"oh seven nine four six", "07946"},
    {"eight hundred five five five", "800555"}, {"+44 20 7946 0958", "+442079460958"}, {"12", "!"},
    {"1234567890123456", "!"}, {"mom", "!"}, {"five", "!"},
    {"oh two oh seven nine four six double oh one eight", "02079460018"},
};
static const struct row email_rows[] = {
    {"emma dot jones at example dot org", "emma.jones@example.org"}, {"a.b@c.com", "a.b@c.com"},
    {"bob@example.com", "bob@example.com"},
    {"john underscore smith at gmail dot com", "john_smith@gmail.com"},
    {"mary dash jane dot lee at mail dot example dot co dot uk", "mary-jane.lee@mail.example.co.uk"},
    {"bob@", "!"}, {"@example.com", "!"}, {"bob at home", "!"}, {"a..b@c.com", "!"}, {"bob@example", "!"},
    {"j two k at x dot org", "j2k@x.org"},
};
static const struct row stretch_rows[] = {
    {"next week", "2026-11-23 .. 2026-11-30"}, {"this weekend", "2026-11-21 .. 2026-11-23"},
    {"from 3 to 5 pm", "2026-11-22T15:00:00 .. 2026-11-22T17:00:00"},
    {"in march", "2027-03-01 .. 2027-04-01"}, {"tonight", "2026-11-21T20:00:00 .. 2026-11-21T23:59:59"},
    {"tomorrow", "2026-11-22 .. 2026-11-23"},
    {"tomorrow afternoon", "2026-11-22T12:00:00 .. 2026-11-22T16:00:00"},
    {"between 2 and 4 tomorrow", "2026-11-22T14:00:00 .. 2026-11-22T16:00:00"},
    {"monday to friday", "2026-11-23 .. 2026-11-28"}, {"the next 3 days", "2026-11-22 .. 2026-11-25"},
    {"friday from 9 to 11", "2026-11-27T09:00:00 .. 2026-11-27T11:00:00"},
    {"this month", "2026-11-01 .. 2026-12-01"}, {"from march 3 to march 5", "2027-03-03 .. 2027-03-06"},
    {"today", "2026-11-21 .. 2026-11-22"},
    {"rest of the day", "2026-11-21T20:00:00 .. 2026-11-22T00:00:00"},
    {"9am to 5pm on friday", "2026-11-27T09:00:00 .. 2026-11-27T17:00:00"},
    {"next 2 hours", "2026-11-21T20:00:00 .. 2026-11-21T22:00:00"},
    {"this morning", "2026-11-21T08:00:00 .. 2026-11-21T12:00:00"},
    {"this evening", "2026-11-21T16:00:00 .. 2026-11-21T20:00:00"},
    {"the rest of the week", "2026-11-21T20:00:00 .. 2026-11-23T00:00:00"},
    {"tomorrow from 2 to 4:30", "2026-11-22T14:00:00 .. 2026-11-22T16:30:00"},
    {"between 9 and 10 am on monday", "2026-11-23T09:00:00 .. 2026-11-23T10:00:00"},
    {"the week of march 3rd", "2027-03-01 .. 2027-03-08"}, {"2027", "2027-01-01 .. 2028-01-01"},
    {"december", "2026-12-01 .. 2027-01-01"},
    {"between christmas and new year", "2026-12-25 .. 2027-01-02"},
    {"last week", "2026-11-09 .. 2026-11-16"}, {"yesterday", "2026-11-20 .. 2026-11-21"},
    {"all day tomorrow", "2026-11-22 .. 2026-11-23"},
    {"friday afternoon", "2026-11-27T12:00:00 .. 2026-11-27T16:00:00"},
    {"the weekend", "2026-11-21 .. 2026-11-23"}, {"next month", "2026-12-01 .. 2027-01-01"},
    {"march 3 to 5", "2027-03-03 .. 2027-03-06"},
    {"from now until 5pm", "2026-11-21T20:00:00 .. 2026-11-22T17:00:00"},
    {"until friday", " .. 2026-11-27"}, {"after 5", "2026-11-22T05:00:00 .."},
    {"3-5pm", "2026-11-22T15:00:00 .. 2026-11-22T17:00:00"},
    {"noon to 2", "2026-11-22T12:00:00 .. 2026-11-22T14:00:00"},
    {"10 to 11 tomorrow", "2026-11-22T10:00:00 .. 2026-11-22T11:00:00"},
    {"from 10 pm to 6 am", "2026-11-21T22:00:00 .. 2026-11-22T06:00:00"},
    {"early next month", "2026-12-01 .. 2026-12-16"}, {"over the weekend", "2026-11-21 .. 2026-11-23"},
    {"for the next two weeks", "2026-11-22 .. 2026-12-06"},
    {"in the morning", "2026-11-22T08:00:00 .. 2026-11-22T12:00:00"},
    {"first week of june", "2027-05-31 .. 2027-06-07"},
    {"from 9 for 2 hours", "2026-11-21T21:00:00 .. 2026-11-21T23:00:00"},
};

/* What people say beside the plain forms. */
static const struct row moment_rows_3[] = {
    {"2moro at 9", "2026-11-22T09:00:00"}, {"2nite at 11", "2026-11-21T23:00:00"},
    {"the morning after tomorrow", "2026-11-23T09:00:00"}, {"just now", "2026-11-21T20:00:00"},
    {"in an hour or so", "2026-11-21T21:00:00"}, {"a week today", "2026-11-28"},
    {"a week tomorrow", "2026-11-29"}, {"a week tuesday", "2026-12-01"},
    {"this time next week", "2026-11-28T20:00:00"}, {"same time next month", "2026-12-21T20:00:00"},
    {"next spring", "2027-03-01"}, {"later", "!"}, {"in a while", "!"}, {"2day trip", "!"},
};
static const struct row duration_rows_2[] = {
    {"the next hour", "PT1H"}, {"the next two hours", "PT2H"}, {"next thirty minutes", "PT30M"},
    {"another hour", "PT1H"}, {"another ten minutes", "PT10M"}, {"an hour or so", "PT1H"},
    {"an extra 5 minutes", "PT5M"}, {"5 extra minutes", "PT5M"}, {"up to two hours", "PT2H"},
    {"at least an hour", "PT1H"}, {"30 minutes long", "PT30M"}, {"00:45:00", "PT45M"},
    {"1:30:00", "PT1H30M"}, {"1:60:00", "!"}, {"00:45", "!"}, {"5m30s", "PT5M30S"}, {"a while", "!"},
    {"another", "!"}, {"the next", "!"},
};
static const struct row recurrence_rows_2[] = {
    {"monday", "FREQ=WEEKLY;BYDAY=MO"}, {"monday at 7", "FREQ=WEEKLY;BYDAY=MO;BYHOUR=7;BYMINUTE=0"},
    {"sat and sun", "FREQ=WEEKLY;BYDAY=SA,SU"}, {"mon wed fri", "FREQ=WEEKLY;BYDAY=MO,WE,FR"},
    {"weekend", "FREQ=WEEKLY;BYDAY=SA,SU"}, {"mornings", "FREQ=DAILY;BYHOUR=9;BYMINUTE=0"},
    {"in the evenings", "FREQ=DAILY;BYHOUR=19;BYMINUTE=0"},
    {"monday mornings", "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0"},
    {"weekday mornings at 7", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=7;BYMINUTE=0"},
    {"every weeknight", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=21;BYMINUTE=0"},
    {"weekdays only", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"}, {"just weekends", "FREQ=WEEKLY;BYDAY=SA,SU"},
    {"school days", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"},
    {"every working day", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"},
    {"every day except sunday", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA"},
    {"daily but not on weekends", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"},
    {"every day of the week", "FREQ=DAILY"}, {"each and every day", "FREQ=DAILY"},
    {"alternate fridays", "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"}, {"bi-weekly", "FREQ=WEEKLY;INTERVAL=2"},
    {"once every two weeks", "FREQ=WEEKLY;INTERVAL=2"},
    {"every quarter of an hour", "FREQ=MINUTELY;INTERVAL=15"}, {"twice a week", "!"}, {"only", "!"},
    {"every", "!"},
};
static const struct row address_rows[] = {
    {"the.boss@example.net", "the.boss@example.net"}, {"bianca@example.it", "bianca@example.it"},
    {"to otto@example.at, please", "otto@example.at"}, {"on@is.to", "on@is.to"},
    {"the dot boss at example dot it", "the.boss@example.it"}, {"otto at example dot at", "otto@example.at"},
    {"at ann at example dot org", "ann@example.org"}, {"a@b.co.", "a@b.co"},
};
static const struct row stretch_rows_2[] = {
    {"later", "2026-11-21T20:00:00 .. 2026-11-22T00:00:00"},
    {"later on today", "2026-11-21T20:00:00 .. 2026-11-22T00:00:00"},
    {"the rest of today", "2026-11-21T20:00:00 .. 2026-11-22T00:00:00"},
    {"the rest of the evening", "2026-11-21T20:00:00 .. 2026-11-22T00:00:00"},
    {"the rest of the morning", "!"}, {"overnight", "2026-11-21T20:00:00 .. 2026-11-22T08:00:00"},
    {"overnight tomorrow", "2026-11-22T20:00:00 .. 2026-11-23T08:00:00"},
    {"friday overnight", "2026-11-27T20:00:00 .. 2026-11-28T08:00:00"},
    {"the next hour", "2026-11-21T20:00:00 .. 2026-11-21T21:00:00"},
    {"over the next few days", "2026-11-22 .. 2026-11-25"}, {"7 day", "2026-11-21 .. 2026-11-28"},
    {"two hours", "2026-11-21T20:00:00 .. 2026-11-21T22:00:00"},
    {"today and tomorrow", "2026-11-21 .. 2026-11-23"}, {"saturday and sunday", "2026-11-28 .. 2026-11-30"},
    {"friday, saturday and sunday", "2026-11-27 .. 2026-11-30"}, {"monday and friday", "!"},
    {"all week", "2026-11-16 .. 2026-11-23"}, {"all of next week", "2026-11-23 .. 2026-11-30"},
    {"all day", "2026-11-21 .. 2026-11-22"}, {"midweek", "2026-11-25 .. 2026-11-27"},
    {"mid-week next week", "2026-11-25 .. 2026-11-27"}, {"after 8 tonight", "2026-11-21T20:00:00 .."},
    {"by noon", " .. 2026-11-22T12:00:00"}, {"from the 3rd to the 8th", "2026-12-03 .. 2026-12-09"},
    {"from the 28th to the 3rd", "2026-11-28 .. 2026-12-04"}, {"next summer", "2027-06-01 .. 2027-09-01"},
    {"this winter", "2026-12-01 .. 2027-03-01"}, {"fall", "2026-09-01 .. 2026-12-01"},
    {"winter 2024", "2024-12-01 .. 2025-03-01"}, {"2moro", "2026-11-22 .. 2026-11-23"},
    {"early tomorrow morning", "2026-11-22T08:00:00 .. 2026-11-22T10:00:00"}, {"since I left work", "!"},
};
/* The same now, but open values lie in the past. */
static const struct row stretch_past_rows[] = {
    {"the last hour", "2026-11-21T19:00:00 .. 2026-11-21T20:00:00"},
    {"in the past hour", "2026-11-21T19:00:00 .. 2026-11-21T20:00:00"},
    {"earlier today", "2026-11-21T00:00:00 .. 2026-11-21T20:00:00"},
    {"early this morning", "2026-11-21T08:00:00 .. 2026-11-21T10:00:00"},
    {"late last night", "2026-11-20T22:00:00 .. 2026-11-20T23:59:59"},
    {"the night before last", "2026-11-19T20:00:00 .. 2026-11-19T23:59:59"},
    {"overnight", "2026-11-20T20:00:00 .. 2026-11-21T08:00:00"}, {"last summer", "2026-06-01 .. 2026-09-01"},
    {"in the summer", "2026-06-01 .. 2026-09-01"}, {"last winter", "2025-12-01 .. 2026-03-01"},
    {"last fall", "2025-09-01 .. 2025-12-01"}, {"since the spring", "2026-03-01 .."},
    {"so far this month", "2026-11-01T00:00:00 .. 2026-11-21T20:00:00"},
    {"this year so far", "2026-01-01T00:00:00 .. 2026-11-21T20:00:00"},
    {"week to date", "2026-11-16T00:00:00 .. 2026-11-21T20:00:00"}, {"so far next month", "!"},
    {"the week before last", "2026-11-02 .. 2026-11-09"},
    {"in the first quarter", "2026-01-01 .. 2026-04-01"},
    {"the last two quarters", "2026-04-01 .. 2026-10-01"},
    {"last monday to friday", "2026-11-09 .. 2026-11-14"},
    {"saturday and sunday", "2026-11-14 .. 2026-11-16"}, {"over christmas", "2025-12-25 .. 2025-12-26"},
    {"5 days", "2026-11-16 .. 2026-11-21"}, {"from march to date", "2026-03-01 .. 2026-11-21"},
};

#define ROWS(a) (sizeof(a) / sizeof((a)[0]))

static value_context context(const char *now, value_resolve resolve) {
  value_context cx = {.resolve = resolve, .default_currency = "USD"};
  if (value_parse_datetime(base_slice_of(now), &cx.now, NULL) != BASE_OK) abort();
  return cx;
}

/* Reads `text` as `kind` and writes the canonical text; "!" when it is refused. */
static void read_as(const char *kind, const char *text, const value_context *cx, char *out, size_t size) {
  base_slice s = base_slice_of(text);
  base_status st = BASE_EFORMAT;
  char a[VALUE_TEXT_BOUND] = "", b[VALUE_TEXT_BOUND] = "";
  value_datetime t;
  value_decimal d;
  value_quantity q;
  value_duration du;
  value_recurrence r;
  value_money m;
  value_interval i;
  int64_t n = 0;
  base_format(out, size, "!");
  if (strcmp(kind, "moment") == 0 && (st = value_read_datetime(s, cx, &t, NULL)) == BASE_OK)
    value_write_datetime(&t, out);
  if (strcmp(kind, "number") == 0 && (st = value_read_number(s, &d, NULL)) == BASE_OK)
    value_write_decimal(d, out);
  if (strcmp(kind, "percent") == 0 && (st = value_read_percent(s, &d, NULL)) == BASE_OK)
    value_write_decimal(d, out);
  if (strcmp(kind, "position") == 0 && value_read_ordinal(s, &n, NULL) == BASE_OK)
    base_format(out, size, "%lld", (long long)n);
  if (strcmp(kind, "temperature") == 0 && value_read_temperature(s, &q, NULL) == BASE_OK) {
    value_write_decimal(q.amount, a);
    base_format(out, size, "%s%s%s", a, q.unit[0] != '\0' ? " " : "", q.unit);
  }
  if (strcmp(kind, "duration") == 0 && value_read_duration(s, &du, NULL) == BASE_OK)
    value_write_duration(du, out);
  if (strcmp(kind, "recurrence") == 0 && value_read_recurrence(s, cx, &r, NULL) == BASE_OK)
    value_write_recurrence(&r, out);
  if (strcmp(kind, "money") == 0 && value_read_money(s, cx, &m, NULL) == BASE_OK) value_write_money(&m, out);
  if (strcmp(kind, "phone") == 0 && value_read_phone(s, a, sizeof a, NULL) == BASE_OK)
    base_format(out, size, "%s", a);
  if (strcmp(kind, "email") == 0 && value_read_email(s, a, sizeof a, NULL) == BASE_OK)
    base_format(out, size, "%s", a);
  if (strcmp(kind, "stretch") == 0 && value_read_interval(s, cx, &i, NULL) == BASE_OK) {
    if (i.has_start) value_write_datetime(&i.start, a);
    if (i.has_end) value_write_datetime(&i.end, b);
    base_format(out, size, "%s ..%s%s", a, b[0] != '\0' ? " " : "", b);
  }
}

static void check_rows(const char *kind, const struct row *rows, size_t count, const value_context *cx) {
  for (size_t k = 0; k < count; k++) {
    char got[2 * VALUE_TEXT_BOUND];
    read_as(kind, rows[k].text, cx, got, sizeof got);
    const char *want = rows[k].expect;
    while (*want == ' ') want++;
    const char *have = got;
    while (*have == ' ') have++;
    TAP_OK(strcmp(have, want) == 0, "%s \"%s\": %s, expected %s", kind, rows[k].text, have, want);
  }
}

/* ---- the resolve rule ---- */

static void check_moment(const char *now, value_resolve resolve, const char *text, const char *want) {
  value_context cx = context(now, resolve);
  char got[2 * VALUE_TEXT_BOUND];
  read_as("moment", text, &cx, got, sizeof got);
  TAP_OK(strcmp(got, want) == 0, "at %s \"%s\": %s, expected %s", now, text, got, want);
}

static void test_resolve(void) {
  check_moment("2026-11-21T20:00:00", VALUE_FUTURE, "7", "2026-11-22T07:00:00");
  check_moment("2026-11-21T05:00:00", VALUE_FUTURE, "7", "2026-11-21T07:00:00");
  check_moment("2026-11-21T12:00:00", VALUE_FUTURE, "7", "2026-11-21T19:00:00");
  check_moment("2026-11-21T07:00:00", VALUE_FUTURE, "7 am", "2026-11-22T07:00:00");
  check_moment("2026-11-21T12:00:00", VALUE_PAST, "7", "2026-11-21T07:00:00");
  check_moment("2026-11-21T12:00:00", VALUE_NEAREST, "11", "2026-11-21T11:00:00");
  check_moment("2026-11-21T12:00:00", VALUE_PAST, "friday", "2026-11-20");
  check_moment("2026-11-21T12:00:00", VALUE_FUTURE, "friday", "2026-11-27");
  check_moment("2026-11-20T08:00:00", VALUE_FUTURE, "friday at 9 pm", "2026-11-20T21:00:00");
  check_moment("2026-11-20T22:00:00", VALUE_FUTURE, "friday at 9 pm", "2026-11-27T21:00:00");
  check_moment("2026-11-20T22:00:00", VALUE_FUTURE, "friday", "2026-11-27");
  check_moment("2026-11-21T12:00:00", VALUE_FUTURE, "november 20", "2027-11-20");
  check_moment("2026-11-21T12:00:00", VALUE_FUTURE, "november 21", "2026-11-21");
  check_moment("2026-11-21T12:00:00", VALUE_PAST, "november 22", "2025-11-22");
  check_moment("2026-11-21T12:00:00", VALUE_FUTURE, "february 29", "2028-02-29");
  check_moment("2026-11-21T12:00:00", VALUE_PAST, "february 29", "2024-02-29");
  check_moment("2026-11-21T12:00:00", VALUE_FUTURE, "the 31st", "2026-12-31");
  check_moment("2026-11-21T12:00:00", VALUE_PAST, "yesterday at 5 pm", "2026-11-20T17:00:00");
  check_moment("2026-11-21T12:00:00", VALUE_FUTURE, "yesterday at 5 pm", "!");
  check_moment("2026-11-21T12:00:00", VALUE_FUTURE, "2026-11-20T10:00:00", "!");
  check_moment("2026-11-21T22:10:00", VALUE_FUTURE, "tonight", "2026-11-21T23:00:00");
  check_moment("2026-11-21T22:10:00", VALUE_FUTURE, "tonight at 1", "2026-11-22T01:00:00");
  check_moment("2026-11-21T08:00:00", VALUE_FUTURE, "today at 3", "2026-11-21T15:00:00");
  check_moment("2026-12-31T23:30:00", VALUE_FUTURE, "in an hour", "2027-01-01T00:30:00");
  check_moment("2028-02-28T23:30:00", VALUE_FUTURE, "tomorrow", "2028-02-29");
  check_moment("2026-01-31T08:00:00", VALUE_FUTURE, "in a month", "2026-02-28");
  check_moment("9999-12-31T23:00:00", VALUE_FUTURE, "in a year", "9999-12-31");
  value_context cx = context("2026-11-21T20:00:00", VALUE_FUTURE);
  value_datetime t;
  cx.morning = true;
  TAP_OK(value_read_datetime(BASE_LITERAL("tomorrow at 5"), &cx, &t, NULL) == BASE_OK &&
      t.time.hour == 5, "alarms are early");
  cx.now.time.hour = 9;
  TAP_OK(value_read_datetime(BASE_LITERAL("7"), &cx, &t, NULL) == BASE_OK && t.time.hour == 7 && t.date.day == 22,
         "nobody wakes at seven in the evening");
  TAP_OK(value_read_datetime(BASE_LITERAL("ten"), &cx, &t, NULL) == BASE_OK && t.time.hour == 10 && t.date.day == 21,
         "an hour to come this morning is today's");
  TAP_OK(value_read_datetime(BASE_LITERAL("3"), &cx, &t, NULL) == BASE_OK && t.time.hour == 15, "three is no hour to wake at");
  TAP_OK(value_read_datetime(BASE_LITERAL("7 pm"), &cx, &t, NULL) == BASE_OK && t.time.hour == 19, "unless it is said");
  cx.now.time.hour = 18;
  TAP_OK(value_read_datetime(BASE_LITERAL("7"), &cx, &t, NULL) == BASE_OK && t.time.hour == 19, "a nap");
  cx.morning = false;
  TAP_OK(value_read_datetime(BASE_LITERAL("tomorrow at 5"), &cx, &t, NULL) == BASE_OK &&
      t.time.hour == 17, "events are late");
  value_time clock;
  value_date day;
  TAP_OK(value_read_time(BASE_LITERAL("half past four pm"), &cx, &clock, NULL) == BASE_OK &&
      clock.hour == 16 && clock.minute == 30, "time");
  TAP_OK(value_read_time(BASE_LITERAL("friday"), &cx, &clock, NULL) == BASE_EFORMAT, "a day is no time");
  TAP_OK(value_read_date(BASE_LITERAL("friday at 5"), &cx, &day, NULL) == BASE_OK && day.day == 27, "date");
  TAP_OK(value_read_datetime(BASE_LITERAL("7"), NULL, &t, NULL) == BASE_EARGUMENT, "no context");
}

/* An alarm is never in the past: every spoken clock at every hour of a day. */
static void test_never_past(void) {
  static const char *const texts[] = {"7", "seven thirty", "12", "noon", "midnight", "quarter to nine",
      "friday", "the 21st", "7 am", "in the morning", "tonight", "tomorrow", "saturday at 8"};
  for (size_t k = 0; k < ROWS(texts); k++) {
    int bad = 0;
    for (int hour = 0; hour < 24; hour++) {
      char now[VALUE_TEXT_BOUND];
      base_format(now, sizeof now, "2026-11-21T%02d:15:00", hour);
      value_context cx = context(now, VALUE_FUTURE);
      value_datetime t;
      if (value_read_datetime(base_slice_of(texts[k]), &cx, &t, NULL) != BASE_OK) continue;
      if (!t.has_time) t.time = (value_time){23, 59, 59};
      bad += value_compare(&t, &cx.now) < 0;
    }
    TAP_OK(bad == 0, "\"%s\" lies in the past at %d hours of the day", texts[k], bad);
  }
}

/* ---- calendar ---- */

static void test_calendar(void) {
  TAP_OK(value_days_from_civil((value_date){1970, 1, 1}) == 0, "epoch");
  TAP_OK(value_days_from_civil((value_date){2000, 3, 1}) == 11017, "2000-03-01");
  TAP_OK(value_weekday((value_date){2026, 11, 21}) == 5, "a Saturday");
  TAP_OK(!value_date_exists((value_date){2026, 2, 29}) &&
      value_date_exists((value_date){2028, 2, 29}), "leap years");
  TAP_OK(!value_date_exists((value_date){1900, 2, 29}) &&
      value_date_exists((value_date){2000, 2, 29}), "centuries");
  int64_t bad = 0;
  for (int64_t d = -719162; d <= 2932896; d += 37) {
    value_date c = value_civil_from_days(d);
    bad += !value_date_exists(c) || value_days_from_civil(c) != d;
  }
  TAP_OK(bad == 0, "days to dates and back over all years");
  TAP_OK(value_civil_from_days(INT64_MAX).year == 9999 &&
      value_civil_from_days(INT64_MIN).year == 1, "clamped");
  value_datetime t = {.date = {2026, 1, 31}, .time = {23, 59, 59}, .has_date = true, .has_time = true};
  value_datetime u = value_add(t, (value_duration){1, 0, 1});
  TAP_OK(u.date.month == 3 && u.date.day == 1 && u.time.hour == 0, "Jan 31 + a month + a second");
  u = value_add(t, (value_duration){INT64_MAX, INT64_MAX, INT64_MAX});
  TAP_OK(u.date.year == 9999, "adding more than there is");
  u = value_add(t, (value_duration){INT64_MIN, INT64_MIN, INT64_MIN});
  TAP_OK(u.date.year == 1, "taking more than there is");
}

/* ---- writers ---- */

static void test_round_trips(void) {
  static const char *const moments[] = {"2026-11-22T07:00:00", "2026-11-22", "07:00:00", "0001-01-01",
      "9999-12-31T23:59:59"};
  static const char *const not_moments[] = {"", "2026-11-31", "2026-13-01", "2026-11-22T24:00:00",
      "2026-11-22T07", "26-11-22", "2026-11-22T07:00:00Z", "24:00", "7:00", "2026-1-1", "T07:00",
      "2026-11-22 "};
  static const char *const durations[] = {"PT1H30M", "P14D", "P1Y6M", "PT0S", "-PT5M", "P1DT12H", "PT45S",
      "P1Y2M3DT4H5M6S"};
  static const char *const not_durations[] = {"", "P", "PT", "P1", "1H", "P1H", "PT1D", "PT1M1H",
      "P99999999999999999999D", "P1DT", "P-1D", "PT1H30"};
  char text[VALUE_TEXT_BOUND];
  value_datetime t;
  value_duration d;
  for (size_t k = 0; k < ROWS(moments); k++) {
    bool ok = value_parse_datetime(base_slice_of(moments[k]), &t, NULL) == BASE_OK;
    if (ok) value_write_datetime(&t, text);
    TAP_OK(ok && strcmp(text, moments[k]) == 0, "%s", moments[k]);
  }
  for (size_t k = 0; k < ROWS(not_moments);
      k++) TAP_OK(value_parse_datetime(base_slice_of(not_moments[k]), &t, NULL) == BASE_EFORMAT, "\"%s\"",
      not_moments[k]);
  for (size_t k = 0; k < ROWS(durations); k++) {
    bool ok = value_parse_duration(base_slice_of(durations[k]), &d, NULL) == BASE_OK;
    if (ok) value_write_duration(d, text);
    TAP_OK(ok && strcmp(text, durations[k]) == 0, "%s", durations[k]);
  }
  for (size_t k = 0; k < ROWS(not_durations);
      k++) TAP_OK(value_parse_duration(base_slice_of(not_durations[k]), &d, NULL) != BASE_OK, "\"%s\"",
      not_durations[k]);
}

static void test_parse_recurrence(void) {
  static const char *const rules[] = {"FREQ=DAILY", "FREQ=MINUTELY;INTERVAL=30", "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR",
      "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=7;BYMINUTE=0", "FREQ=MONTHLY;BYDAY=-1FR", "FREQ=MONTHLY;BYDAY=2MO,2TU",
      "FREQ=MONTHLY;BYMONTHDAY=-1", "FREQ=YEARLY;BYMONTHDAY=31;BYHOUR=23;BYMINUTE=59"};
  static const struct row other_orders[] = {{"BYDAY=SU,MO;FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=MO,SU"},
      {"FREQ=DAILY;INTERVAL=1;BYHOUR=9", "FREQ=DAILY;BYHOUR=9;BYMINUTE=0"}, {"FREQ=DAILY;", "FREQ=DAILY"}};
  static const char *const not_rules[] = {"", "FREQ", "FREQ=", "FREQ=daily", "FREQ=SECONDLY", "BYDAY=MO", "DAILY",
      "FREQ=DAILY;FREQ=WEEKLY", "FREQ=DAILY;;BYHOUR=7", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;INTERVAL=10000",
      "FREQ=DAILY;INTERVAL=-99999999999999999999", "FREQ=WEEKLY;BYDAY=", "FREQ=WEEKLY;BYDAY=M", "FREQ=WEEKLY;BYDAY=XX",
      "FREQ=WEEKLY;BYDAY=MO,,TU", "FREQ=MONTHLY;BYDAY=0MO", "FREQ=MONTHLY;BYDAY=6MO", "FREQ=MONTHLY;BYDAY=-2MO",
      "FREQ=MONTHLY;BYDAY=1MO,2TU", "FREQ=MONTHLY;BYDAY=1MO,TU", "FREQ=MONTHLY;BYMONTHDAY=0",
      "FREQ=MONTHLY;BYMONTHDAY=5,20", "FREQ=MONTHLY;BYMONTHDAY=32", "FREQ=DAILY;BYHOUR=24", "FREQ=DAILY;BYHOUR=7,19",
      "FREQ=DAILY;BYMINUTE=5", "FREQ=DAILY;BYHOUR=7;BYMINUTE=60", "FREQ=DAILY;COUNT=3", "FREQ=DAILY;UNTIL=20261122",
      "RRULE:FREQ=DAILY", "FREQ=DAILY BYHOUR=7"};
  char text[VALUE_TEXT_BOUND];
  value_recurrence r;
  for (size_t k = 0; k < ROWS(rules); k++) {
    bool ok = value_parse_recurrence(base_slice_of(rules[k]), &r, NULL) == BASE_OK;
    if (ok) value_write_recurrence(&r, text);
    TAP_OK(ok && strcmp(text, rules[k]) == 0, "%s", rules[k]);
  }
  for (size_t k = 0; k < ROWS(other_orders); k++) {
    bool ok = value_parse_recurrence(base_slice_of(other_orders[k].text), &r, NULL) == BASE_OK;
    if (ok) value_write_recurrence(&r, text);
    TAP_OK(ok && strcmp(text, other_orders[k].expect) == 0, "%s", other_orders[k].text);
  }
  for (size_t k = 0; k < ROWS(not_rules); k++) {
    r.interval = 77;
    base_status st = value_parse_recurrence(base_slice_of(not_rules[k]), &r, NULL);
    TAP_OK(st == BASE_EFORMAT && r.interval == 77, "\"%s\"", not_rules[k]);
  }
}

static void test_say(void) {
  char text[VALUE_SAY_BOUND];
  value_context cx = context("2026-11-21T20:00:00", VALUE_FUTURE);
  static const struct row moments[] = {{"tomorrow at 7", "tomorrow at 7:00"}, {"friday", "Friday"},
      {"march 3rd at noon", "Wednesday, March 3, 2027 at 12:00"}, {"december 24", "Thursday, December 24"},
      {"in 5 minutes", "today at 20:05"}};
  for (size_t k = 0; k < ROWS(moments); k++) {
    value_datetime t;
    bool ok = value_read_datetime(base_slice_of(moments[k].text), &cx, &t, NULL) == BASE_OK;
    value_say_datetime(&t, &cx, text);
    TAP_OK(ok && strcmp(text, moments[k].expect) == 0, "%s: %s", moments[k].text, text);
  }
  static const struct row rules[] = {{"every other friday", "every second Friday"},
      {"weekdays at 7", "every weekday at 7:00"}, {"on the first of each month", "every month on the 1st"},
      {"every 3 hours", "every 3 hours"}, {"mondays and fridays", "every Monday and Friday"}};
  for (size_t k = 0; k < ROWS(rules); k++) {
    value_recurrence r;
    bool ok = value_read_recurrence(base_slice_of(rules[k].text), &cx, &r, NULL) == BASE_OK;
    value_say_recurrence(&r, text);
    TAP_OK(ok && strcmp(text, rules[k].expect) == 0, "%s: %s", rules[k].text, text);
  }
  static const struct row rule_texts[] = {{"FREQ=MONTHLY;BYDAY=-1FR", "every month on the last Friday"},
      {"FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "every month on Friday on the 13th"},
      {"FREQ=DAILY;BYDAY=MO,TU;BYHOUR=7;BYMINUTE=5", "every day on Monday and Tuesday at 7:05"},
      {"FREQ=YEARLY;INTERVAL=2;BYMONTHDAY=-1", "every 2 years on the last day"},
      {"FREQ=MINUTELY;INTERVAL=9999;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYMONTHDAY=31;BYHOUR=23;BYMINUTE=59",
       "every 9999 minutes on Monday, Tuesday, Wednesday, Thursday, Friday, Saturday and Sunday on the 31st at 23:59"}};
  for (size_t k = 0; k < ROWS(rule_texts); k++) {
    value_recurrence r;
    bool ok = value_parse_recurrence(base_slice_of(rule_texts[k].text), &r, NULL) == BASE_OK;
    value_say_recurrence(&r, text);
    TAP_OK(ok && strcmp(text, rule_texts[k].expect) == 0, "%s: %s", rule_texts[k].text, text);
  }
  static const struct { const char *rule, *from, *expect; } firsts[] = {
      {"every weekday", "2026-11-21T07:00:00", "2026-11-23T07:00:00"}, /* from a Saturday */
      {"every saturday", "2026-11-21T07:00:00", "2026-11-21T07:00:00"},
      {"daily", "2026-12-31T23:59:59", "2026-12-31T23:59:59"},
      {"on the first of each month", "2026-11-21T09:30:00", "2026-12-01T09:30:00"},
      {"the last day of every month", "2028-02-03T08:00:00", "2028-02-29T08:00:00"},
      {"the second tuesday of every month", "2026-11-21T08:00:00", "2026-12-08T08:00:00"},
      {"the last friday of every month", "2026-11-28T08:00:00", "2026-12-25T08:00:00"},
      {"every weekday", "9999-12-31T07:00:00", "9999-12-31T07:00:00"}}; /* a Friday, and no day after it */
  for (size_t k = 0; k < ROWS(firsts); k++) {
    value_recurrence r;
    value_datetime t;
    bool ok = value_read_recurrence(base_slice_of(firsts[k].rule), &cx, &r, NULL) == BASE_OK &&
              value_parse_datetime(base_slice_of(firsts[k].from), &t, NULL) == BASE_OK;
    t = value_first_of(&r, t);
    value_write_datetime(&t, text);
    TAP_OK(ok && strcmp(text, firsts[k].expect) == 0, "%s from %s: %s", firsts[k].rule, firsts[k].from, text);
  }
  static const struct row amounts[] = {{"1249.5", "$1,249.50"}, {"-5", "-$5"},
      {"1234567 euros", "\xE2\x82\xAC""1,234,567"}, {"3.5 chf", "3.50 CHF"}};
  for (size_t k = 0; k < ROWS(amounts); k++) {
    value_money m;
    bool ok = value_read_money(base_slice_of(amounts[k].text), &cx, &m, NULL) == BASE_OK;
    value_say_money(&m, text);
    TAP_OK(ok && strcmp(text, amounts[k].expect) == 0, "%s: %s", amounts[k].text, text);
  }
  value_say_duration((value_duration){14, 3, 3661}, text);
  TAP_OK(strcmp(text, "1 year 2 months 3 days 1 hour 1 minute 1 second") == 0, "%s", text);
  value_say_money(&(value_money){"USD", INT64_MIN}, text);
  TAP_OK(strcmp(text, "-$92,233,720,368,547,758.08") == 0, "%s", text);
  value_say_duration((value_duration){INT64_MAX, INT64_MAX, INT64_MAX}, text);
  TAP_OK(strlen(text) < VALUE_SAY_BOUND, "bounded");
  char written[VALUE_TEXT_BOUND];
  value_write_duration((value_duration){INT64_MIN, INT64_MIN, INT64_MIN}, written);
  TAP_OK(strlen(written) < VALUE_TEXT_BOUND, "bounded");
  value_write_decimal((value_decimal){INT64_MIN, 18}, written);
  TAP_OK(strcmp(written, "-9.223372036854775808") == 0, "%s", written);
  value_write_recurrence(&(value_recurrence){.freq = VALUE_WEEKLY, .interval = 1000, .weekdays = 0x7F,
      .at = {23, 59, 59}, .has_at = true}, written);
  TAP_OK(strlen(written) < VALUE_TEXT_BOUND, "bounded: %s", written);
}

/* ---- the finder ---- */

static const struct { value_kind kind; const char *text, *spans; } found_rows[] = {
    {VALUE_NUMBER, "I have twenty-five dogs and 3 cats", "twenty-five|3"},
        {VALUE_NUMBER, "the 180ml liquid", ""}, {VALUE_NUMBER, "the one you mentioned", ""},
    {VALUE_NUMBER, "call 1 234 567 now", "1 234 567"},
        {VALUE_ORDINAL, "the twenty first and the 3rd", "twenty first|3rd"},
        {VALUE_PERCENT, "up 5 % to twenty percent", "5 %|twenty percent"},
    {VALUE_MONEY, "it cost $ 75 million, not 3 dollars 50 cents.", "$ 75 million|3 dollars 50 cents"},
        {VALUE_MONEY, "All 70 of us.", ""}, {VALUE_TEMPERATURE, "it is 20 degrees celsius or 68 fahrenheit",
        "20 degrees celsius|68 fahrenheit"},
    {VALUE_DIMENSION, "a 3-inch pipe, 5 ft 2 in long, 20 kg", "3-inch|5 ft 2 in|20 kg"},
        {VALUE_AGE, "the baby is ten months old", "ten months old"},
        {VALUE_DURATION, "wait an hour and a half, or 5 mins", "an hour and a half|5 mins"},
    {VALUE_DATE, "see you tomorrow or on march 3rd 2027", "tomorrow|march 3rd 2027"},
        {VALUE_TIME, "at 7:30 pm or half past nine", "7:30 pm|half past nine"},
        {VALUE_DATETIME, "meet tomorrow at 8am please", "tomorrow at 8am"},
    {VALUE_INTERVAL, "from 5pm to 7pm, next week, or in march 2027",
        "from 5pm to 7pm|next week|march 2027"}, {VALUE_RECURRENCE,
        "run every monday at 7am, stretch daily", "every monday at 7am|daily"},
        {VALUE_DATE, "this may not be a date", ""},
    {VALUE_INTERVAL, "you may go", ""},
    {VALUE_INTERVAL, "sales of the last 2 quarters", "last 2 quarters"},
    {VALUE_INTERVAL, "shown in the week 3 of 2027", "week 3 of 2027"},
    {VALUE_INTERVAL, "open May to March", "May to March"}, {VALUE_INTERVAL, "spring water overnight", ""},
    {VALUE_INTERVAL, "docked till date", "till date"}, {VALUE_TIME, "rates were at 6.45 percent", ""},
    {VALUE_INTERVAL, "free on the 17 from 2pm to 4pm", "the 17 from 2pm to 4pm"},
    {VALUE_DATE, "two weeks before christmas", "two weeks before christmas"}};

static void test_find(void) {
  value_context cx = context("2026-11-21T20:00:00", VALUE_FUTURE);
  for (size_t k = 0; k < ROWS(found_rows); k++) {
    value_found found[8];
    char spans[256] = "";
    base_slice text = base_slice_of(found_rows[k].text);
    size_t n = value_find(text, 1u << found_rows[k].kind, &cx, found, ROWS(found)), at = 0;
    for (size_t i = 0; i < n; i++) {
      base_format(spans + at, sizeof spans - at, "%s%.*s", i > 0 ? "|"
          : "", (int)(found[i].end - found[i].start), text.ptr + found[i].start);
      at = strlen(spans);
    }
    TAP_OK(strcmp(spans, found_rows[k].spans) == 0, "\"%s\": [%s], expected [%s]", found_rows[k].text,
        spans, found_rows[k].spans);
  }
  value_found one[1];
  TAP_OK(value_find(BASE_LITERAL("1 2 3"), 1u << VALUE_NUMBER, NULL, one, 1) == 1, "max is kept");
  TAP_OK(value_find(BASE_LITERAL("tomorrow 5 kg $3 at 7pm"), ~0u, NULL, one, 1) <= 1, "no context");
}

/* ---- hostile input ---- */

static void check_limits(const char *name, const char *text, size_t len) {
  value_context cx = context("2026-11-21T20:00:00", VALUE_FUTURE);
  base_slice s = {text, len};
  value_decimal d;
  value_datetime t;
  value_duration du;
  value_money m;
  value_interval i;
  value_recurrence r;
  value_found found[64];
  base_error err = {0};
  TAP_OK(value_read_number(s, &d, &err) == BASE_ELIMIT, "%s number", name);
  TAP_OK(err.code == BASE_ELIMIT && err.text[0] != '\0', "%s says why", name);
  TAP_OK(value_read_datetime(s, &cx, &t, NULL) == BASE_ELIMIT, "%s datetime", name);
  TAP_OK(value_read_duration(s, &du, NULL) == BASE_ELIMIT, "%s duration", name);
  TAP_OK(value_read_money(s, &cx, &m, NULL) == BASE_ELIMIT, "%s money", name);
  TAP_OK(value_read_interval(s, &cx, &i, NULL) == BASE_ELIMIT, "%s interval", name);
  TAP_OK(value_read_recurrence(s, &cx, &r, NULL) == BASE_ELIMIT, "%s recurrence", name);
  TAP_OK(value_find(s, ~0u, &cx, found, ROWS(found)) <= ROWS(found), "%s find", name);
}

static void fill(char *text, size_t len, const char *with) {
  size_t n = strlen(with);
  for (size_t i = 0; i < len; i++) text[i] = with[i % n];
}

static void test_hostile(void) {
  static const char *const patterns[] = {"7", "one ", "and ", "twenty ", "a ", "first week of ", "1,", "1.",
      "-", "march ", "every ", "monday ", "from 1 to ", "half ", "million ", "at ", "the ", "3 days ", "(",
      "\xC2\xBD", "next ", "in ", "\xFF", "1/", "$", "point one "};
  static char text[10240];
  for (size_t k = 0; k < ROWS(patterns); k++) {
    fill(text, sizeof text, patterns[k]);
    check_limits(patterns[k], text, sizeof text);
  }
  value_context cx = context("2026-11-21T20:00:00", VALUE_FUTURE);
  value_datetime t;
  value_decimal d;
  value_money m;
  TAP_OK(value_read_number(BASE_LITERAL(""), &d, NULL) == BASE_EFORMAT, "empty");
  TAP_OK(value_read_number((base_slice){NULL, 0}, &d, NULL) == BASE_EFORMAT, "nothing");
  TAP_OK(value_read_number(BASE_LITERAL("\xFF\xFE"), &d, NULL) == BASE_EFORMAT, "no UTF-8");
  TAP_OK(value_read_number(BASE_LITERAL("1234567890123456789012345678901234567890"), &d,
      NULL) == BASE_ELIMIT, "40 digits");
  TAP_OK(value_read_money(BASE_LITERAL("$99999999999999999"), &cx, &m, NULL) == BASE_ELIMIT,
      "cents over int64");
  TAP_OK(value_read_money(BASE_LITERAL("5"), &(value_context){.now = cx.now}, &m, NULL) == BASE_EFORMAT,
      "no default currency");
  TAP_OK(value_read_datetime(BASE_LITERAL("25:99"), &cx, &t, NULL) == BASE_EFORMAT, "25:99");
  TAP_OK(value_read_datetime(BASE_LITERAL("february 30"), &cx, &t, NULL) == BASE_EFORMAT, "february 30");
  TAP_OK(value_read_datetime(BASE_LITERAL("13 pm"), &cx, &t, NULL) == BASE_OK, "13 pm is 13:00");
  TAP_OK(value_read_datetime(BASE_LITERAL("13 am"), &cx, &t, NULL) == BASE_EFORMAT, "13 am");
  TAP_OK(value_read_datetime(BASE_LITERAL("2/30/2027"), &cx, &t, NULL) == BASE_EFORMAT, "2/30/2027");
  TAP_OK(value_read_datetime(BASE_LITERAL("in 99999999999999999 years"), &cx, &t, NULL) == BASE_OK,
      "the end of time");
  char small[4];
  TAP_OK(value_read_phone(BASE_LITERAL("5551234"), small, sizeof small, NULL) == BASE_ELIMIT,
      "phone does not fit");
  TAP_OK(value_read_email(BASE_LITERAL("a@b.co"), small, sizeof small, NULL) == BASE_ELIMIT,
      "e-mail does not fit");
}

static void test_lexicon(void) {
  int unsorted = 0;
  for (size_t i = 1; i < value_lexicon_size(); i++)
    unsorted += strcmp(value_lexicon_at(i - 1)->text, value_lexicon_at(i)->text) >= 0;
  TAP_OK(unsorted == 0, "lexicon.def is sorted: %d words are not", unsorted);
  TAP_OK(value_currency_digits("USD") == 2 && value_currency_digits("JPY") == 0 &&
      value_currency_digits("KWD") == 3 && value_currency_digits("XXX") == -1, "minor units");
}

int main(void) {
  value_context cx = context("2026-11-21T20:00:00", VALUE_FUTURE);
  check_rows("moment", moment_rows, ROWS(moment_rows), &cx);
  check_rows("moment", moment_rows_2, ROWS(moment_rows_2), &cx);
  check_rows("number", number_rows, ROWS(number_rows), &cx);
  check_rows("percent", percent_rows, ROWS(percent_rows), &cx);
  check_rows("position", position_rows, ROWS(position_rows), &cx);
  check_rows("temperature", temperature_rows, ROWS(temperature_rows), &cx);
  check_rows("duration", duration_rows, ROWS(duration_rows), &cx);
  check_rows("recurrence", recurrence_rows, ROWS(recurrence_rows), &cx);
  check_rows("money", money_rows, ROWS(money_rows), &cx);
  check_rows("phone", phone_rows, ROWS(phone_rows), &cx);
  check_rows("email", email_rows, ROWS(email_rows), &cx);
  check_rows("stretch", stretch_rows, ROWS(stretch_rows), &cx);
  check_rows("moment", moment_rows_3, ROWS(moment_rows_3), &cx);
  check_rows("duration", duration_rows_2, ROWS(duration_rows_2), &cx);
  check_rows("recurrence", recurrence_rows_2, ROWS(recurrence_rows_2), &cx);
  check_rows("email", address_rows, ROWS(address_rows), &cx);
  check_rows("stretch", stretch_rows_2, ROWS(stretch_rows_2), &cx);
  value_context past = context("2026-11-21T20:00:00", VALUE_PAST);
  check_rows("stretch", stretch_past_rows, ROWS(stretch_past_rows), &past);
  test_resolve();
  test_never_past();
  test_calendar();
  test_round_trips();
  test_parse_recurrence();
  test_say();
  test_find();
  test_hostile();
  test_lexicon();
  return tap_done("value");
}
